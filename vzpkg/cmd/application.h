/*
 * Application templates by name: which of them a VE's configuration or a command line asks for.
 */
#pragma once

#include "base/error.h"
#include "base/strvec.h"
#include "vzpkg/app.h"

/* The words of a TEMPLATES value (vz.conf(5)), without OpenVZ's leading ".". */
void application_names(const char *text, struct strvec *names);

/* What a VE is to be made from, in the words of libvzctl. What is NULL is taken from the sample configuration, and the OS
 * template at last from vz.conf (DEF_OSTEMPLATE). */
struct os_request {
	const char *sample; /* NULL: none */
	const char *os_template;
	const char *applications; /* with blanks or commas between them */
};

int os_request_load(const struct os_request *request, const struct app *app, struct template **ret,
		    struct strvec *applications, struct error *err);

/* ERROR_NO_TEMPLATE for the first that the OS template does not have; ERROR_UNSUPPORTED for the first that it has: this
 * version does not install them. */
int application_check(const struct template *template, const struct strvec *names,
		      struct error *err);
