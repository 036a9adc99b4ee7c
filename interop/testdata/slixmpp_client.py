"""Logs in with slixmpp by certificate, asks a peer something, and prints one line for each thing that worked.

Arguments: full JID, host, port, file of trust anchors, certificate file, key file, peer's full JID.
"""
import sys
from pathlib import Path
from xml.etree import ElementTree

import slixmpp

jid, host, port, anchors, cert, key, peer = sys.argv[1:]


class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__(jid, '', plugin_config={'feature_mechanisms': {'use_mech': 'EXTERNAL'}})
        self.ca_certs = Path(anchors)
        self.certfile = cert
        self.keyfile = key
        self.register_plugin('xep_0030')
        self.register_plugin('xep_0199')
        self.add_event_handler('session_start', self.session)
        self.add_event_handler('failed_all_auth', self.fail)
        self.add_event_handler('connection_failed', self.fail)
        self.add_event_handler('got_online', self.online)

    def fail(self, event):
        print('failed', event, flush=True)
        self.abort()

    def online(self, presence):
        if presence['from'] == slixmpp.JID(peer):
            print('online', presence['from'], flush=True)

    async def session(self, _):
        try:
            await self.talk()
        except slixmpp.exceptions.IqError as e:
            print('refused', e.iq['error']['condition'], flush=True)
        await self.disconnect()

    async def talk(self):
        print('bound', self.boundjid.full, flush=True)
        roster = await self.get_roster()
        print('roster', *sorted(str(j) for j in roster['roster']['items']), flush=True)
        self.send_presence()
        await self['xep_0199'].ping(self.boundjid.domain)
        print('ping', flush=True)
        info = await self['xep_0030'].get_info(jid=self.boundjid.domain)
        print('identity', *(i[:2] for i in info['disco_info']['identities']), flush=True)

        question = self.make_iq_get(ito=peer)
        question.append(ElementTree.fromstring("<q xmlns='urn:busbar:test'>1 &lt; 2 &amp; \u00fc</q>"))
        answer = await question.send(timeout=10)
        print('answer', answer['from'], answer.xml[0].tag, answer.xml[0].text, flush=True)

        nobody = self.make_iq_get(ito=self.boundjid.bare + '/nobody')
        nobody.append(ElementTree.fromstring("<q xmlns='urn:busbar:test'/>"))
        try:
            await nobody.send(timeout=10)
        except slixmpp.exceptions.IqError as e:
            print('absent', e.iq['error']['condition'], flush=True)


client = Client()
client.connect((host, int(port)))
client.process(forever=False)
