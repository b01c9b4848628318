/*
 * Small XML documents as trees (libxml2), without anything that reaches outside them: no network, no document type, no
 * entities of their own. For vzpkg/metadata/ only.
 */
#pragma once

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

/* The document, to be freed with xml_free(); NULL with ERROR_PARSE unless its root element is `root`. `name` is for messages. */
xmlDoc *xml_parse(const char *name, const char *text, size_t length, const char *root,
		  struct error *err);
void xml_free(xmlDoc **document);

/* Elements by their local names, whatever the namespace. NULL: there is none. */
const xmlNode *xml_first(const xmlNode *parent, const char *name);
const xmlNode *xml_next(const xmlNode *node); /* the next one of the same name */

/* Without blanks around it; to be freed. NULL if it is not there or empty. */
char *xml_text(const xmlNode *node);
char *xml_attribute(const xmlNode *node, const char *name);

/* 0 if it is no number. */
uint64_t xml_number(const xmlNode *node);

/* A kind as rpm-md calls it ("sha" is SHA-1) and hexadecimal digits; false if it is not known. */
bool xml_digest(const xmlNode *node, struct digest *ret);
