/*
 * Lines at the place of a terminal where the cursor is, rewritten in place. Between calls the cursor stands at the beginning of the first of them: all that is below belongs to
 * us, so a terminal that breaks lines anew when its window changes leaves nothing behind.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/strvec.h"

struct screen {
	FILE *file;
	bool shown;
};

/* Shows what has room in a window of that size (0: not known), each line cut to its width and made clean; of more lines than that the last one says how many. */
void screen_show(struct screen *screen, const struct strvec *lines, unsigned columns,
		 unsigned rows);

/* Takes them away, for something else to be printed there. */
void screen_clear(struct screen *screen);
