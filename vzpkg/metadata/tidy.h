/*
 * What nobody needs any more below TEMPLATE/pm: indexes and their caches that were not used for a month, and
 * temporary files of runs that were killed.
 */
#pragma once

/* `pm` is the descriptor of TEMPLATE/pm; its lock is held. What cannot be removed stays. */
void metadata_tidy(int pm);
