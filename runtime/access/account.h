/* root's line in /etc/passwd, of the VE that the caller is in. */
#pragma once

struct account {
	char *home, *shell; /* absolute; shell may be NULL: it has none that one could use */
};

/* Whatever is in that place: without a file that says something sensible it is /root, and no shell. */
void account_of_root(struct account *ret);

/* From the text of such a file. */
void account_parse(const char *text, struct account *ret);
void account_release(struct account *account);
