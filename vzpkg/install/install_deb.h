/*
 * A plan of Debian packages becomes a tree, in two stages: what is essential is unpacked by us, since
 * nothing can run before it is there; the rest in waves that Pre-Depends give. The guest's dpkg configures all
 * of it.
 */
#pragma once

#include "vzpkg/install/install.h"

int install_deb(const struct install_job *job, struct error *err);
