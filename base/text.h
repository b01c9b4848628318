/* Text from outside (package names, the output of scripts) as it may be shown and stored. */
#pragma once

/*
 * A copy that is valid UTF-8 (RFC 3629) without control characters, which could drive a terminal:
 * bytes that are no UTF-8 and controls, but for newline and tab, become "?". To be freed.
 */
char *text_clean(const char *text);

/* The last lines of what a program printed, each on a line of its own after a newline and four blanks, as messages show
 * them; "" if there are none. To be freed. */
char *text_tail(const char *text, unsigned lines);

/* How long something takes, for people: "7 s", "2:05 min", "1:02 h". To be freed. */
char *text_span(double seconds);
