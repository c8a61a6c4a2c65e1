"""What the filters run on: numba loops and rules over the bytes of a text. A filter's own file says what it decides;
here is how it is found. May import `corpus.text`."""
