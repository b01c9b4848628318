#include "runtime/life/network.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/guest/guest.h"
#include "runtime/life/neighbours.h"
#include "runtime/namespace.h"
#include "runtime/net/link.h"
#include "runtime/net/netlink.h"
#include "runtime/net/venet.h"

enum { NAME_TRIES = 10 };

int network_check_free(const struct address *addresses, size_t count, const char *device,
		       struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		autofree char *where = NULL, *text = address_text(&addresses[i]);
		int used = venet_address_used(&addresses[i], device, &where, err);
		if (used < 0)
			return -1;
		if (!used)
			continue;
		error_set(err, ERROR_ADDRESS_USED, "the address %s is in use: %s", text, where);
		error_subject(err, "%s", text);
		return error_hint(err, "give the VE another one with \"vzctl set\"");
	}
	return 0;
}

/* Another installation on this host may have a VE of the same number. */
static char *device_name(unsigned ctid, int try)
{
	return try ? xasprintf("vz%u.%d", ctid, try) : xasprintf("vz%u", ctid);
}

int network_namespace(const struct ve_state *state, struct error *err)
{
	return network_namespace_of(&state->init, err);
}

int network_namespace_of(const struct ve_process *init, struct error *err)
{
	autofree char *path = xasprintf("/proc/%d/ns/net", init->pid);
	int netns = open(path, O_RDONLY | O_CLOEXEC);
	return netns < 0 ? error_errno(err, errno, "opening %s", path) : netns;
}

static int create(const struct host_config *host, unsigned ctid, struct ve_state *state,
		  struct error *err)
{
	autoclose int netns = network_namespace(state, err);
	if (netns < 0)
		return -1;
	for (int try = 0; try < NAME_TRIES; try++) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		free(state->device);
		state->device = device_name(ctid, try);
		if (venet_create(state->device, netns, &why) == 0)
			return ve_state_save(host, ctid, state, err);
		if (why.kind != ERROR_EXISTS) {
			error_move(err, &why);
			free(steal_ptr(state->device));
			return -1;
		}
	}
	free(steal_ptr(state->device));
	return error_set(err, ERROR_NETWORK, "there are too many devices called vz%u on the host",
			 ctid);
}

static void warn_forwarding(const struct ve_config *config, struct report *report)
{
	static const struct {
		int family;
		const char *name, *sysctl;
	} families[] = { { AF_INET, "IPv4", "net.ipv4.ip_forward" },
			 { AF_INET6, "IPv6", "net.ipv6.conf.all.forwarding" } };
	for (size_t f = 0; f < 2; f++) {
		bool wanted = false;
		for (size_t i = 0; i < config->address_count; i++)
			wanted |= config->addresses[i].family == families[f].family;
		if (wanted && !venet_host_forwards(families[f].family))
			report_warning(report, families[f].sysctl,
				       "this host does not forward %s packets, so the VE reaches "
				       "the host and no further; \"sysctl -w %s=1\" changes that",
				       families[f].name, families[f].sysctl);
	}
}

int network_attach(const struct host_config *host, const struct ve_config *config,
		   struct ve_state *state, struct report *report, struct error *err)
{
	if (!config->address_count && !state->device)
		return 0;
	if (network_check_free(config->addresses, config->address_count, state->device, err) < 0)
		return -1;
	if (!state->device && create(host, config->ctid, state, err) < 0)
		return -1;
	if (venet_allow(state->device, config->addresses, config->address_count, err) < 0)
		return -1;
	warn_forwarding(config, report);
	return neighbours_attach(host, config, state, report, err);
}

int network_down(const struct ve_state *state, struct error *err)
{
	autoclose int socket = state->device ? netlink_open(err) : -1;
	if (!state->device)
		return 0;
	return socket < 0 ? -1 : link_down(socket, state->device, err);
}

/* Its routes are gone, too. */
int network_up(const struct host_config *host, const struct ve_config *config,
	       struct ve_state *state, struct error *err)
{
	autoclose int socket = state->device ? netlink_open(err) : -1;
	if (!state->device)
		return 0;
	if (socket < 0 || link_up(socket, state->device, false, err) < 0)
		return -1;
	return network_attach(host, config, state, NULL, err);
}

int network_configure_inside(const struct ve_config *config, struct error *err)
{
	if (namespace_loopback_up() < 0)
		return error_errno(err, errno, "bringing the VE's loopback up");
	return venet_configure_inside(config->addresses, config->address_count, err);
}

int network_write_guest(const struct ve_config *config, struct error *err)
{
	autoclose int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct guest_settings settings = {
		.hostname = config->hostname,
		.addresses = config->addresses,
		.address_count = config->address_count,
		.console = true,
		.network = true,
		.nameservers = config->nameservers_set ? &config->nameservers : NULL,
		.searchdomains = config->searchdomains_set ? &config->searchdomains : NULL,
	};
	if (root < 0)
		return error_errno(err, errno, "opening the VE's root");
	if (guest_configure(root, &settings, err) == 0)
		return 0;
	err->kind = ERROR_GUEST;
	return error_wrap(err, "writing the VE's own configuration");
}
