/*
 * An order in which packages can be unpacked.
 */
#pragma once

#include "vzpkg/resolve/plan.h"

/* Puts the packages of a plan with edges in an order in which each stands after those that it
 * pre-depends on, and, where there is no cycle, after those that it depends on. Equal plans get equal orders:
 * what is free to choose goes by name. The edges keep meaning the same packages. */
void plan_order(struct plan *plan);
