"""What is wrong with settings and files. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from scim_bridge.connecting.place import inside, unreachable
from scim_bridge.doctor.model import Finding, Place, Tenant, note, ok, wrong
from scim_bridge.kernel.allow_list import AllowList
from scim_bridge.kernel.paths import SCIM_PATH
from scim_bridge.registry.setting_values import LOOPBACK

NETWORK_FILESYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "fuse.sshfs", "9p", "glusterfs"}
NEARLY_FULL = 256 * 2**20


def of_place(place: Place, tenants: tuple[Tenant, ...] = ()) -> Iterator[Finding]:
    """Every check of settings and files, in the order of the reference."""
    yield from address(place, tenants)
    if place.told_url:
        yield told(place)
    yield key(place)
    yield from database(place)
    if place.log_level == "debug":
        yield note(
            "log-level",
            "debug writes much, and slows the server.",
            'Set log_level = "info" (SCIM_BRIDGE_LOG_LEVEL).',
        )
    yield from networks(place, tenants)


def rehearsal(place: Place, tenants: tuple[Tenant, ...]) -> bool:
    """True while the IdPs that are connected, or the one that was told of us, are on this machine."""
    known = [one.address for one in tenants if one.address]
    hosts = [urlsplit(each).hostname for each in known or [place.told_url]]
    return all(host in LOOPBACK for host in hosts)


def address(place: Place, tenants: tuple[Tenant, ...]) -> Iterator[Finding]:
    """Whether an identity provider can reach, and will accept, the address we tell everybody."""
    check, parts = "public-url", urlsplit(place.public_url)
    host = parts.hostname or ""
    if not tenants or (rehearsal(place, tenants) and host in LOOPBACK):
        yield ok(check, f"{place.public_url} (nobody outside this machine is connected)")
        return
    trouble = unreachable(place.public_url, is_set=place.public_url_set)
    yield wrong(check, *trouble) if trouble is not None else ok(check, place.public_url)


def told(place: Place) -> Finding:
    """Whether what was pasted into the IdP is ours."""
    check, given, own = "base-url", urlsplit(place.told_url), urlsplit(place.public_url)
    want = place.public_url.rstrip("/") + SCIM_PATH
    if given.scheme not in ("http", "https") or not given.hostname:
        return wrong(check, f"{place.told_url!r} is no web address.", f"Enter {want} in the IdP.")
    if given.path.rstrip("/") != SCIM_PATH:
        return wrong(check, f"{place.told_url} does not end in {SCIM_PATH}.", f"Enter {want} in the IdP.")
    if given.netloc.casefold() != own.netloc.casefold() or given.scheme != own.scheme:
        return wrong(
            check,
            f"The IdP is told {given.scheme}://{given.netloc}, public_url says {own.scheme}://{own.netloc}.",
            f"Enter {want} in the IdP, or set public_url to what it was told.",
        )
    return ok(check, place.told_url)


def key(place: Place) -> Finding:
    """Whether the master key is there, is this database's, and is ours alone."""
    check = "master-key"
    if place.key_trouble:
        return wrong(
            check,
            place.key_trouble,
            f"Restore the key this database was made with: {place.key_file} or secret_key.",
        )
    if place.key_in_settings:
        return ok(check, "from the setting secret_key")
    if place.mode is None:
        if place.schema is None:
            return ok(check, "is made with the database")
        return wrong(
            check,
            f"{place.key_file} is missing: no token would be known and no secret readable.",
            f"Restore {place.key_file} from the backup of this database, or set secret_key.",
        )
    if place.mode & 0o077:
        return wrong(
            check,
            f"{place.key_file} can be read by others (mode {place.mode:04o}).",
            f"chmod 600 {place.key_file}, and rotate it if they are not trusted: scim-bridge keys rotate master",
        )
    return ok(check, f"{place.key_file}, for its owner only")


def database(place: Place) -> Iterator[Finding]:
    """Whether the database can be used as it is, and where it is."""
    check = "database"
    if place.schema_trouble is not None:
        yield wrong(check, *place.schema_trouble)
        return
    if place.schema is None:
        yield note(
            check, f"There is none yet at {place.database}.", "scim-bridge agents import FILE makes it."
        )
    elif place.schema > place.head:
        # Of another era it would be trouble: this one can be worked on.
        yield note(
            check,
            f"Its schema is {place.schema}, of a newer release than this one ({place.head}).",
            "Finish the update: run the newer release on every machine.",
        )
    elif place.schema != place.head:
        yield wrong(
            check,
            f"Its schema is {place.schema or 'unfinished'}, this version needs {place.head}.",
            "Back it up, then start this version once (scim-bridge serve): it migrates by itself.",
        )
    else:
        yield ok(check, f"{place.database}, schema {place.schema}")
    if not place.writable:
        yield wrong(
            check, "It cannot be written by this user.", "Run as the user who owns the file and its folder."
        )
    if place.sqlite and place.filesystem in NETWORK_FILESYSTEMS:
        yield wrong(
            check,
            f"The SQLite file is on a network share ({place.filesystem}), where its locks do not hold.",
            "Move it to a local disk, or go to PostgreSQL (docs/how-to/postgresql.md).",
        )
    if place.free is not None and place.free < NEARLY_FULL:
        yield wrong(
            "disk", f"{place.free // 2**20} MiB are left beside the database.", "Make room on that disk."
        )


def networks(place: Place, tenants: tuple[Tenant, ...]) -> Iterator[Finding]:
    """Whether the guard of outward calls lets through what is needed, and not everything."""
    check = "networks"
    for entry in place.allow_networks:
        try:
            wide = ip_network(entry, strict=False).prefixlen == 0
        except ValueError:
            continue
        if wide:
            yield wrong(
                check,
                f"allow_networks has {entry}: every internal address may be called.",
                "Name the networks or host:port that are meant.",
            )
    rules = AllowList(place.allow_networks)
    for one in tenants:
        parts = urlsplit(one.address)
        host, port = parts.hostname or "", parts.port or 443
        # The server that plays a sandbox may call it without a setting.
        if one.rehearsed or not host or not inside(host) or rules.names(host, port) or _held(rules, host):
            continue
        yield wrong(
            check,
            f"{host} is an internal address, which is never called unless the settings allow it.",
            f'Set allow_networks = ["{host}:{port}"] (SCIM_BRIDGE_ALLOW_NETWORKS={host}:{port}).',
            one.name,
        )


def _held(rules: AllowList, host: str) -> bool:
    """True when a network that is allowed holds it; a name may lead into any."""
    try:
        return rules.holds(ip_address(host))
    except ValueError:
        return True
