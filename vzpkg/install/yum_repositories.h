/*
 * Where the guest's own yum, dnf or zypper gets packages from: yum.conf(5), "[repository] OPTIONS".
 */
#pragma once

#include "base/error.h"
#include "base/strvec.h"

/*
 * Writes the repositories at `urls` into a file of ours in the tree's folder of repositories, and turns all others off: those that a
 * release brings lead nowhere once it is out of support. Signatures are demanded. A guest without such a folder is left as it is.
 */
int yum_repositories_write(int tree, const struct strvec *urls, struct error *err);
