#include "vzpkg/metadata/xml.h"

#include <errno.h>
#include <libxml/parser.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static bool is_named(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

xmlDoc *xml_parse(const char *name, const char *text, size_t length, const char *root,
		  struct error *err)
{
	xmlDoc *document = NULL;

	if (length <= INT_MAX)
		document = xmlReadMemory(text, (int)length, name, NULL,
					 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
						 XML_PARSE_NOCDATA);
	const xmlNode *top = document ? xmlDocGetRootElement(document) : NULL;
	if (top && is_named(top, root) && !document->intSubset)
		return document;
	error_set(err, ERROR_PARSE, "%s: it is not XML with the root element \"%s\"", name, root);
	error_subject(err, "%s", name);
	error_hint(err, "the mirror gave something else, or a damaged file: try another mirror");
	xmlFreeDoc(document);
	return NULL;
}

void xml_free(xmlDoc **document)
{
	xmlFreeDoc(*document);
	*document = NULL;
}

static const xmlNode *find(const xmlNode *node, const char *name)
{
	while (node && !is_named(node, name))
		node = node->next;
	return node;
}

const xmlNode *xml_first(const xmlNode *parent, const char *name)
{
	return parent ? find(parent->children, name) : NULL;
}

const xmlNode *xml_next(const xmlNode *node)
{
	return find(node->next, (const char *)node->name);
}

/* Takes libxml2's string. */
static char *trimmed(xmlChar *raw)
{
	const char *blank = " \t\r\n";
	const char *text = raw ? (const char *)raw : "";

	text += strspn(text, blank);
	size_t length = strlen(text);
	while (length && strchr(blank, text[length - 1]))
		length--;
	char *ret = length ? xstrndup(text, length) : NULL;
	xmlFree(raw);
	return ret;
}

char *xml_text(const xmlNode *node)
{
	return node ? trimmed(xmlNodeGetContent(node)) : NULL;
}

char *xml_attribute(const xmlNode *node, const char *name)
{
	return node ? trimmed(xmlGetNoNsProp(node, (const xmlChar *)name)) : NULL;
}

uint64_t xml_number(const xmlNode *node)
{
	autofree char *text = xml_text(node);
	char *end;

	/* Some write fractions of seconds. */
	if (!text || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	uint64_t number = strtoull(text, &end, 10);
	return errno || (*end && *end != '.') ? 0 : number;
}

bool xml_digest(const xmlNode *node, struct digest *ret)
{
	autofree char *type = xml_attribute(node, "type");
	autofree char *text = xml_text(node);
	enum digest_kind kind = type ? digest_kind_parse(type) : DIGEST_NONE;

	return kind && text && digest_parse(ret, kind, text, strlen(text));
}
