"""Clients that slixmpp makes, driven by lines on standard input; what happens to them is printed, one line for each thing.

Commands, NAME being a client's:
  NAME login JSON              jid, host, port, anchors; mech; cert and key, or password; tls12, unbound: true
  NAME presence PRIORITY       is available
  NAME unavailable
  NAME message TO TYPE TEXT
  NAME ask TO TEXT             an iq, which every client answers with its text in upper case
  NAME ping | roster           at the server
  NAME disco TO                the identities
  NAME version TO              the name of the software
  NAME close
"""
import asyncio
import json
import sys
from pathlib import Path
from ssl import TLSVersion
from xml.etree import ElementTree

import slixmpp
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

QUESTION, ANSWER = '{urn:busbar:test}q', '{urn:busbar:test}r'


class Client(slixmpp.ClientXMPP):
    def __init__(self, name, spec):
        super().__init__(spec['jid'], spec.get('password', ''),
                         plugin_config={'feature_mechanisms': {'use_mech': spec['mech']}})
        self.name = name
        self.ca_certs = Path(spec['anchors'])
        self.certfile, self.keyfile = spec.get('cert'), spec.get('key')
        if spec.get('tls12'):
            self.ssl_context.maximum_version = TLSVersion.TLSv1_2
        if spec.get('unbound'):
            self.leave_unbound()
        for plugin in ('xep_0030', 'xep_0092', 'xep_0199'):
            self.register_plugin(plugin)
        self.add_event_handler('session_start', lambda _: self.say('bound', self.boundjid.full, self['feature_mechanisms'].mech.name))
        self.add_event_handler('failed_auth', lambda failure: self.say('refused', failure['condition']))
        self.add_event_handler('failed_all_auth', lambda _: self.say('gave up'))
        self.add_event_handler('stream_error', lambda error: self.say('stream error', error['condition']))
        self.add_event_handler('disconnected', lambda _: self.say('disconnected'))
        self.add_event_handler('message', lambda m: self.say('message', m['from'], m['to'], m['type'], m['body']))
        self.add_event_handler('message_error', lambda m: self.say('message error', m['from'], m['error']['condition']))
        self.register_handler(Callback('presence', MatchXPath('{jabber:client}presence'), self.presence))
        self.register_handler(Callback('question', MatchXPath('{jabber:client}iq/' + QUESTION), self.question))

    def say(self, *words):
        print(self.name, *words, flush=True)

    def leave_unbound(self):
        """Does as a client that knows of no channel binding."""
        mechanisms = self['feature_mechanisms']
        credentials = mechanisms.sasl_callback
        mechanisms.sasl_callback = lambda required, optional: {**credentials(required, optional), 'channel_binding': None}

    def presence(self, p):
        if p['from'] != self.boundjid:
            kind = p['type'] if p['type'] in ('unavailable', 'error') else 'available'
            self.say('presence', p['from'], kind, p['priority'])

    def question(self, iq):
        if iq['type'] == 'get':
            self.say('asked', iq['from'], iq.xml[0].text)
            reply = iq.reply()
            reply.append(payload(ANSWER, iq.xml[0].text.upper()))
            reply.send()

    async def do(self, verb, rest):
        if verb == 'presence':
            self.send_presence(ppriority=rest)
        elif verb == 'unavailable':
            self.send_presence(ptype='unavailable')
        elif verb == 'message':
            to, kind, text = rest.split(' ', 2)
            self.send_message(mto=to, mbody=text, mtype=kind)
        elif verb == 'ask':
            to, text = rest.split(' ', 1)
            iq = self.make_iq_get(ito=to)
            iq.append(payload(QUESTION, text))
            answer = await iq.send(timeout=20)
            self.say('answer', answer['from'], answer.xml[0].tag, answer.xml[0].text)
        elif verb == 'ping':
            await self['xep_0199'].ping(self.boundjid.domain, timeout=20)
            self.say('pong')
        elif verb == 'roster':
            roster = await self.get_roster(timeout=20)
            self.say('roster', *sorted(str(j) for j in roster['roster']['items']))
        elif verb == 'disco':
            info = await self['xep_0030'].get_info(jid=rest, timeout=20)
            self.say('disco', *sorted('/'.join(i[:2]) for i in info['disco_info']['identities']))
        elif verb == 'version':
            info = await self['xep_0092'].get_version(rest, timeout=20)
            self.say('version', info['software_version']['name'])
        elif verb == 'close':
            await self.disconnect()


def payload(tag, text):
    element = ElementTree.Element(tag)
    element.text = text
    return element


async def main():
    clients = {}
    while line := await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        name, verb, *rest = line.rstrip('\n').split(' ', 2)
        if verb == 'login':
            spec = json.loads(rest[0])
            clients[name] = Client(name, spec)
            clients[name].connect((spec['host'], spec['port']))
            continue
        try:
            await clients[name].do(verb, *rest or [''])
        except IqError as e:
            clients[name].say('error', e.iq['from'], e.iq['error']['condition'])


asyncio.run(main())
