"""What a run says of itself: `report` (report.json and the funnel), `page` (report.html)."""
