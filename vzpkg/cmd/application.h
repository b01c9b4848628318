/*
 * Which template with which applications a command line or a VE's sample configuration asks for, and the caches that hold
 * applications.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/strvec.h"
#include "vzpkg/app.h"

/* What a VE is to be made from, in the words of libvzctl. What is NULL is taken from the sample configuration, and the OS
 * template at last from vz.conf (DEF_OSTEMPLATE). */
struct os_request {
	const char *sample; /* NULL: none */
	const char *os_template; /* "NAME+APPLICATION" means both */
	const char *applications; /* with blanks or commas between them */
};

/* The OS template, which the caller owns, and the names of the applications, which are not looked for. */
int os_request_load(const struct os_request *request, const struct app *app, struct template **ret,
		    struct strvec *applications, struct error *err);

/* Appends the caches with applications, those of that OS template or, with NULL, all. */
int application_caches(const struct app *app, const struct template *template, struct strvec *names,
		       struct error *err);

/* ERROR_NO_TEMPLATE for the first that the OS template does not have; ERROR_UNSUPPORTED if it has all: this
 * version does not install them. */
int application_check(const struct app *app, const struct template *template,
		      const struct strvec *names, struct error *err);
