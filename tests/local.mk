# Unit tests (libcheck), programs to trace, and the end-to-end tests (pytest).
