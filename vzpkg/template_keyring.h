/*
 * The keys that a template trusts, ready for use.
 */
#pragma once

#include "base/error.h"
#include "vzpkg/fetch/signature.h"
#include "vzpkg/template.h"

/* `pm` is the descriptor of TEMPLATE/pm, below which GnuPG's private homes are kept. */
int template_keyring_open(const struct template *template, int pm, struct keyring **ret,
			  struct error *err);
