package xmpp82

import (
	"sync"
	"time"

	"busbar.example/xmpp/stanza"
)

// probeTime is how long a peer may take to answer a probe: a server that reads nothing for as long is given up, too.
const probeTime = 20 * time.Second

// probe asks the peer for a sign of life, which it gives when it has taken what was sent before: reports of so many octets.
// Nobody else would say that they have come. Any answer will do.
//
// XEP-0199.
func (a *Association) probe(octets int) {
	done := sync.OnceFunc(func() {
		if due := a.window.probed(octets); due > 0 {
			go a.probe(due) // the reader of the session must not wait
		}
	})
	session := a.endpoint.session
	ping := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, ID: session.NewID(), To: a.peer, Payload: []byte("<ping xmlns='urn:xmpp:ping'/>")}
	late := time.AfterFunc(probeTime, func() {
		a.fail(ended("%v takes no reports", a.peer))
		session.Abandon(a.peer, ping.ID)
		done()
	})
	_, err := session.SendIQ(a.ctx, ping, func(stanza.Stanza) {
		late.Stop()
		done()
	})
	if err != nil {
		late.Stop()
		done()
	}
}
