/* Included in front of every source file by the Makefile: what must not be called at all. Shell
 * strings, unbounded copies, and conversions that do not report errors. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok
#pragma GCC poison system popen
#pragma GCC poison atoi atol atoll
#pragma GCC poison mktemp tmpnam tempnam
