"""Clients that slixmpp and aioxmpp make, of accounts that they register themselves, talk with each other over a broker.

Argument: JSON with host, port, domain, anchors (file), and cert and key (files) of the account "certified". Each check
prints "ok NAME" or "not ok NAME: WHY"; at the end stands "done".
"""
import asyncio
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from ssl import TLSVersion

import aioxmpp
import aioxmpp.ibr
import aioxmpp.ping
import aioxmpp.version
import slixmpp
from slixmpp.exceptions import IqError

SPEC = json.loads(sys.argv[1])
DOMAIN, PEER = SPEC['domain'], (SPEC['host'], SPEC['port'])
TIME = 30


class Line:
    """Forwards connections to the broker, and can be cut."""

    async def start(self):
        self.writers = []
        server = await asyncio.start_server(self.forward, '127.0.0.1', 0)
        return server.sockets[0].getsockname()

    async def forward(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection(*PEER)
        self.writers += [writer, far_writer]

        async def copy(source, sink):
            try:
                while octets := await source.read(65536):
                    sink.write(octets)
                sink.close()
            except ConnectionError:
                pass

        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))

    def cut(self):
        for writer in self.writers:
            writer.transport.abort()
        self.writers = []


class Slix(slixmpp.ClientXMPP):
    """A client of slixmpp, whose stanzas and events wait in a queue."""

    def __init__(self, jid, password, mech=None, cert=None, key=None, tls12=False, register=False):
        super().__init__(jid, password, plugin_config={'feature_mechanisms': {'use_mech': mech}} if mech else {})
        self.ca_certs = Path(SPEC['anchors'])
        self.certfile, self.keyfile = cert, key
        self.auto_authorize = self.auto_subscribe = None
        self.events = asyncio.Queue()
        if tls12:
            self.ssl_context.maximum_version = TLSVersion.TLSv1_2
        else:
            self.leave_unbound()
        for plugin in ('xep_0012', 'xep_0030', 'xep_0077', 'xep_0092', 'xep_0198', 'xep_0199', 'xep_0202'):
            self.register_plugin(plugin)
        self['xep_0077'].create_account = register
        self._always_send_everything = register  # it holds requests back until it has logged in, and waits for their answers
        self.add_event_handler('register', self.fill_in)
        for event in ('session_start', 'session_resumed', 'failed_all_auth', 'disconnected', 'stream_error', 'message', 'message_error'):
            self.add_event_handler(event, lambda data, event=event: self.events.put_nowait((event, data)))
        for kind in ('available', 'unavailable', 'subscribe', 'subscribed', 'unsubscribe', 'unsubscribed', 'roster_update'):
            event = kind if kind == 'roster_update' else 'presence_' + kind
            self.add_event_handler(event, lambda data, kind=kind: self.events.put_nowait((kind, data)))

    def leave_unbound(self):
        """Does as a client that knows of no channel binding: slixmpp has none for TLS 1.3."""
        mechanisms = self['feature_mechanisms']
        credentials = mechanisms.sasl_callback
        mechanisms.sasl_callback = lambda required, optional: {**credentials(required, optional), 'channel_binding': None}

    async def fill_in(self, _):
        iq = self.make_iq_set()
        iq['register']['username'] = self.boundjid.user
        iq['register']['password'] = self.password
        await iq.send(timeout=TIME)

    async def login(self, peer=PEER):
        """Returns the mechanism, or None if the login is refused."""
        self.connect(peer)
        event, _ = await self.next('session_start', 'failed_all_auth')
        return self['feature_mechanisms'].mech.name if event == 'session_start' else None

    async def next(self, *wanted):
        """The next of these events, passing over others."""
        async with asyncio.timeout(TIME):
            while True:
                event, data = await self.events.get()
                if event in wanted:
                    return event, data

    async def presence_of(self, full, *kinds):
        while True:
            event, p = await self.next(*kinds or ('available',))
            if p['from'] == full and p['to'].bare == self.boundjid.bare:
                return event, p

    async def subscription_of(self, contact, wanted):
        while True:
            _, iq = await self.next('roster_update')
            item = iq['roster']['items'].get(slixmpp.JID(contact))
            if item and item['subscription'] == wanted:
                return item

    async def leave(self):
        await self.disconnect()


def aio(jid, password, peer):
    layer = aioxmpp.make_security_layer(password, no_verify=True)  # which cannot be given an anchor
    client = aioxmpp.PresenceManagedClient(aioxmpp.JID.fromstr(jid), layer, override_peer=[(*peer, aioxmpp.connector.STARTTLSConnector())])
    client.events = asyncio.Queue()
    for kind in ('subscribe', 'subscribed', 'unsubscribe', 'unsubscribed'):
        getattr(client.summon(aioxmpp.RosterClient), 'on_' + kind).connect(lambda st, kind=kind: client.events.put_nowait((kind, st)))
    presence = client.summon(aioxmpp.PresenceClient)
    presence.on_available.connect(lambda full, st: client.events.put_nowait(('available', st)))
    presence.on_unavailable.connect(lambda full, st: client.events.put_nowait(('unavailable', st)))
    dispatcher = client.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)
    dispatcher.register_callback(None, None, lambda m: client.events.put_nowait(('message', m)))
    return client


async def heard(client, kind, sender):
    """What of this kind comes from that address next, passing over the rest."""
    async with asyncio.timeout(TIME):
        while True:
            got, st = await client.events.get()
            if got == kind and str(st.from_) == sender:
                return st


failed = 0


def check(name, got, want):
    global failed
    if got == want:
        print('ok', name, flush=True)
    else:
        failed += 1
        print(f'not ok {name}: {got!r}, want {want!r}', flush=True)


async def refusal(request):
    try:
        await request
    except IqError as e:
        return e.condition
    except aioxmpp.errors.XMPPError as e:
        return e.condition.value[1]
    return 'no refusal'


async def registration():
    check('slixmpp registers and logs in', await logs_in(Slix(f'slix@{DOMAIN}/r', 'pencil', 'SCRAM-SHA-256', register=True)), 'SCRAM-SHA-256')
    stream, features = await connected(f'aio@{DOMAIN}')
    fields = await aioxmpp.ibr.get_registration_fields(stream, timeout=TIME)
    asked = {tag[1] for tag in aioxmpp.ibr.get_used_fields(fields)}
    check('aioxmpp is told what to fill in', asked >= {'password', 'username'} and not asked & {'email', 'name'}, True)
    await aioxmpp.ibr.register(stream, aioxmpp.ibr.Query('aio', 'pencil'), timeout=TIME)
    stream.abort()
    check('aioxmpp registers', True, True)
    stream, _ = await connected(f'aio@{DOMAIN}')
    await aioxmpp.ibr.register(stream, aioxmpp.ibr.Query('aio', 'crayon'), timeout=TIME)  # which does not look at the answer
    stream.abort()
    check('a name is taken once', await logs_in(Slix(f'aio@{DOMAIN}/r', 'crayon', 'PLAIN')), None)


async def connected(jid):
    metadata = aioxmpp.make_security_layer(None, no_verify=True)._replace(sasl_providers=[])
    _, stream, features = await aioxmpp.node.connect_xmlstream(
        aioxmpp.JID.fromstr(jid), metadata, override_peer=[(*PEER, aioxmpp.connector.STARTTLSConnector())])
    return stream, features


async def logs_in(client):
    mech = await client.login()
    if mech:
        await client.leave()
    return mech


async def mechanisms():
    for mech in ('SCRAM-SHA-1', 'SCRAM-SHA-256', 'PLAIN'):
        check('slixmpp logs in by ' + mech, await logs_in(Slix(f'slix@{DOMAIN}/m', 'pencil', mech)), mech)
        check('slixmpp is refused by ' + mech, await logs_in(Slix(f'slix@{DOMAIN}/m', 'crayon', mech)), None)
    for mech in ('SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256-PLUS'):
        check('slixmpp logs in by ' + mech, await logs_in(Slix(f'slix@{DOMAIN}/m', 'pencil', mech, tls12=True)), mech)
    certified = Slix(f'certified@{DOMAIN}/m', '', 'EXTERNAL', cert=SPEC['cert'], key=SPEC['key'])
    check('slixmpp logs in by certificate', await logs_in(certified), 'EXTERNAL')


async def services(s, a):
    server = aioxmpp.JID.fromstr(DOMAIN)
    await aioxmpp.ping.ping(a, server)
    check('aioxmpp pings the server', True, True)
    check('aioxmpp asks for the version', (await aioxmpp.version.query_version(a.stream, server)).name, 'Busbar')
    info = await a.summon(aioxmpp.DiscoClient).query_info(server)
    check('aioxmpp discovers the server', [(i.category, i.type_) for i in info.identities], [('server', 'im')])
    for feature in ('urn:xmpp:ping', 'jabber:iq:version', 'urn:xmpp:time', 'jabber:iq:last', 'jabber:iq:register', 'jabber:iq:roster'):
        check('the server tells of ' + feature, feature in info.features, True)
    items = await a.summon(aioxmpp.DiscoClient).query_items(server)
    check('the server has no items', len(items.items), 0)
    own = await s['xep_0030'].get_info(jid=s.boundjid.bare, timeout=TIME)
    check('slixmpp discovers its account', [i[:2] for i in own['disco_info']['identities']], [('account', 'registered')])
    stranger = s['xep_0030'].get_info(jid=f'aio@{DOMAIN}', timeout=TIME)
    check('slixmpp discovers no stranger', await refusal(stranger), 'service-unavailable')
    node = s['xep_0030'].get_info(jid=DOMAIN, node='none', timeout=TIME)
    check('a node that is not there is not found', await refusal(node), 'item-not-found')
    check('slixmpp pings the server', isinstance(await s['xep_0199'].ping(DOMAIN, timeout=TIME), float), True)
    told = (await s['xep_0202'].get_entity_time(DOMAIN, timeout=TIME)).xml.findtext('.//{urn:xmpp:time}utc')
    check('slixmpp asks for the time', abs((datetime.fromisoformat(told) - datetime.now(timezone.utc)).total_seconds()) < 60, True)
    check('slixmpp asks since when', (await s['xep_0012'].get_last_activity(DOMAIN, timeout=TIME))['last_activity']['seconds'] >= 0, True)


async def rosters(s, a):
    await s.get_roster(timeout=TIME)
    sjid, ajid = s.boundjid.bare, str(a.local_jid.bare())
    roster = a.summon(aioxmpp.RosterClient)
    await roster.set_entry(aioxmpp.JID.fromstr(sjid), name='Slix', add_to_groups={'clients'})
    entry = roster.items[aioxmpp.JID.fromstr(sjid)]
    check('aioxmpp writes its roster', (entry.name, entry.groups, entry.subscription), ('Slix', {'clients'}, 'none'))

    roster.subscribe(aioxmpp.JID.fromstr(sjid))
    _, p = await s.next('subscribe')
    check('slixmpp is asked', (p['from'].full, p['to'].full), (ajid, sjid))
    s.send_presence(pto=ajid, ptype='subscribed')
    await heard(a, 'subscribed', sjid)
    st = await heard(a, 'available', s.boundjid.full)
    check('aioxmpp sees slixmpp', st.priority, 5)
    await s.subscription_of(ajid, 'from')

    s.send_presence(pto=ajid, ptype='subscribe')
    await heard(a, 'subscribe', sjid)
    roster.approve(aioxmpp.JID.fromstr(sjid))
    await s.next('subscribed')
    item = await s.subscription_of(ajid, 'both')
    check('slixmpp has it in its roster', item['subscription'], 'both')
    await s.presence_of(str(a.local_jid))
    check('slixmpp sees aioxmpp', True, True)


async def messages(s, a):
    ajid, sjid = str(a.local_jid), s.boundjid.bare
    low, none = Slix(f'{sjid}/low', 'pencil'), Slix(f'{sjid}/none', 'pencil')
    for client, priority in ((low, 1), (none, -1)):
        await client.login()
        client.send_presence(ppriority=priority)
        await heard(a, 'available', client.boundjid.full)
    check('aioxmpp sees three resources', len(a.summon(aioxmpp.PresenceClient).get_peer_resources(aioxmpp.JID.fromstr(sjid))), 3)

    async def send(to, kind, text):
        message = aioxmpp.Message(to=aioxmpp.JID.fromstr(to), type_=kind)
        message.body[None] = text
        await a.send(message)

    async def got(client):
        _, m = await client.next('message')
        return m['body']

    await send(sjid, aioxmpp.MessageType.CHAT, 'to the best')
    await send(sjid, aioxmpp.MessageType.HEADLINE, 'to all')
    await send(f'{sjid}/low', aioxmpp.MessageType.NORMAL, 'to low')
    await send(f'{sjid}/none', aioxmpp.MessageType.CHAT, 'to none')
    await send(f'{sjid}/absent', aioxmpp.MessageType.CHAT, 'to the absent')
    check('the best gets what is for the account', [await got(s) for _ in range(3)], ['to the best', 'to all', 'to the absent'])
    check('the next gets headlines, and its own', [await got(low) for _ in range(2)], ['to all', 'to low'])
    check('a negative priority gets its own alone', await got(none), 'to none')
    s.send_message(mto=ajid, mbody='back', mtype='chat')
    st = await heard(a, 'message', s.boundjid.full)
    check('slixmpp answers', st.body.any(), 'back')
    s.send_message(mto=f'nobody@{DOMAIN}', mbody='?', mtype='normal')
    _, m = await s.next('message_error')
    check('a message to nobody is refused', m['error']['condition'], 'service-unavailable')
    for client in (low, none):
        full = client.boundjid.full
        await client.leave()
        await heard(a, 'unavailable', full)
    check('aioxmpp hears that they go', True, True)


async def resumption(s, a, far, line):
    check('aioxmpp has its stanzas acknowledged', a.stream.sm_enabled, True)
    check('slixmpp has its stanzas acknowledged', s['xep_0198'].enabled_in and s['xep_0198'].enabled_out, True)
    suspended, resumed = asyncio.Event(), asyncio.Event()
    a.on_stream_suspended.connect(lambda reason: suspended.set())
    a.on_stream_resumed.connect(resumed.set)
    line.cut()
    async with asyncio.timeout(TIME):
        await suspended.wait()
        s.send_message(mto=str(a.local_jid), mbody='while it was away', mtype='chat')
        await resumed.wait()
    st = await heard(a, 'message', s.boundjid.full)
    check('aioxmpp takes its stream up again, and misses nothing', st.body.any(), 'while it was away')

    full = s.boundjid.full
    far.cut()
    await s.next('disconnected')
    message = aioxmpp.Message(to=aioxmpp.JID.fromstr(full), type_=aioxmpp.MessageType.NORMAL)
    message.body[None] = 'while it was away too'
    await a.send(message)
    s.connect(PEER)
    event, _ = await s.next('session_resumed', 'session_start', 'failed_all_auth')
    check('slixmpp takes its stream up again', (event, s.boundjid.full), ('session_resumed', full))
    _, m = await s.next('message')
    check('slixmpp misses nothing', m['body'], 'while it was away too')


async def ends(s, a):
    sjid, ajid = s.boundjid.bare, str(a.local_jid.bare())
    roster = a.summon(aioxmpp.RosterClient)
    await roster.remove_entry(aioxmpp.JID.fromstr(sjid))
    await s.next('unsubscribe')
    await s.next('unsubscribed')
    await s.subscription_of(ajid, 'none')
    check('aioxmpp takes it out of its roster', aioxmpp.JID.fromstr(sjid) in roster.items, False)
    await s['xep_0077'].change_password('crayon', jid=DOMAIN, timeout=TIME)
    check('the new password logs in', await logs_in(Slix(f'{sjid}/p', 'crayon', 'SCRAM-SHA-1')), 'SCRAM-SHA-1')
    check('the old one does not', await logs_in(Slix(f'{sjid}/p', 'pencil', 'SCRAM-SHA-1')), None)
    await s['xep_0077'].cancel_registration(jid=DOMAIN, timeout=TIME)
    event, error = await s.next('stream_error', 'disconnected')
    check('who removes the account is thrown out', error['condition'] if event == 'stream_error' else event, 'not-authorized')
    check('a removed account does not log in', await logs_in(Slix(f'{sjid}/p', 'crayon', 'PLAIN')), None)


async def main():
    await registration()
    await mechanisms()
    s = Slix(f'slix@{DOMAIN}/best', 'pencil')
    far, line = Line(), Line()
    await s.login(await far.start())
    s.send_presence(ppriority=5)
    a = aio(f'aio@{DOMAIN}/1', 'pencil', await line.start())
    async with a.connected():
        check('aioxmpp logs in', str(a.local_jid), f'aio@{DOMAIN}/1')
        await services(s, a)
        await rosters(s, a)
        await messages(s, a)
        await resumption(s, a, far, line)
        await ends(s, a)
    print('done', flush=True)


asyncio.run(main())
sys.exit(failed > 0)
