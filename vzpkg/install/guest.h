/*
 * Whether this kernel can run what is in a plan.
 */
#pragma once

#include "base/error.h"
#include "vzpkg/resolve/plan.h"

/*
 * Before glibc 2.14 programs for x86_64 call the kernel at a fixed address (vsyscall), where newer kernels may have nothing: each
 * then dies by SIGSEGV. `maps` is /proc/self/maps, which tells. ERROR_CONTAINER names the boot option.
 */
int guest_check_kernel(const struct plan *plan, const char *maps, struct error *err);
