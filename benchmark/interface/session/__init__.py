"""One session of pytest that measures: what it is asked for, which tests are of cases, what has ended.

In come options and collected tests, out go cases; what a person sees of it is the business of `terminal`."""
