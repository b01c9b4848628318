#include "runtime/capability.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * What package scripts need. They are capabilities of the VE's user namespace, so none reaches the
 * host; the list is short to keep kernel code away that trusts root. CAP_SYS_ADMIN is not in it:
 * with it, nodev and the read-only mounts could be taken back. NET_RAW is, since a program that has
 * it as a file capability could not even be executed without.
 */
static const unsigned kept[] = {
	CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,  CAP_FSETID,
	CAP_KILL,    CAP_SETGID,       CAP_SETUID,          CAP_SETPCAP, CAP_NET_BIND_SERVICE,
	CAP_NET_RAW, CAP_IPC_OWNER,    CAP_SYS_CHROOT,      CAP_MKNOD,   CAP_AUDIT_WRITE,
	CAP_SETFCAP, CAP_SYS_NICE,
};

/* They would count only in the VE's own user namespace, where nothing of theirs is. Without them programs
 * find out at once, and do not try. */
static const unsigned never[] = {
	CAP_SYS_MODULE, CAP_SYS_RAWIO,     CAP_SYS_TIME,     CAP_SYSLOG,     CAP_MAC_ADMIN,
	CAP_WAKE_ALARM, CAP_BLOCK_SUSPEND, CAP_SYS_PACCT,    CAP_AUDIT_READ, CAP_AUDIT_CONTROL,
	CAP_PERFMON,    CAP_BPF,           CAP_MAC_OVERRIDE,
};

static uint64_t kept_mask(enum capability_set set)
{
	uint64_t mask = 0;
	if (set == CAPABILITY_TENANT) {
		for (unsigned i = 0; i < sizeof(never) / sizeof(*never); i++)
			mask |= UINT64_C(1) << never[i];
		return ~mask;
	}
	for (unsigned i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		mask |= UINT64_C(1) << kept[i];
	return mask;
}

/* The kernel says by EINVAL where its list ends. */
static int limit_bounding(uint64_t mask)
{
	for (unsigned i = 0; i < 64; i++) {
		if (mask >> i & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return errno == EINVAL ? 0 : -1;
	}
	return 0;
}

int capability_limit(enum capability_set set)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t mask = kept_mask(set);

	if (limit_bounding(mask) < 0 || syscall(SYS_capget, &header, data) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(mask >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) < 0 ? -1 : 0;
}

bool capability_has_resources(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	return syscall(SYS_capget, &header, data) == 0 && data[0].effective >> CAP_SYS_RESOURCE & 1;
}

int capability_keep_as(unsigned uid)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	if (prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0 ||
	    setresuid(uid, uid, uid) < 0 || syscall(SYS_capget, &header, data) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].inheritable = data[i].permitted;
	if (syscall(SYS_capset, &header, data) < 0)
		return -1;
	for (unsigned i = 0; i < 64; i++)
		if ((uint64_t)data[i / 32].permitted >> i % 32 & 1 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return -1;
	return 0;
}
