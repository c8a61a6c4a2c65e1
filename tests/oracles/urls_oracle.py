"""Which page of an address C4 keeps."""


def select_newest_page(pages):
    """c4_utils.select_newest_page: of (page, date), the first of those with the greatest date."""
    selected = None
    for page, date in pages:
        if selected is None or date > selected[1]:
            selected = page, date
    return selected
