/*
 * Installs a plan of rpm packages into an empty tree.
 */
#pragma once

#include "vzpkg/install/install.h"

int install_rpm(const struct install_job *job, struct error *err);
