package xmpp

import (
	"fmt"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

const (
	maxReplies   = 4096 // requests that may wait for their reply
	maxAbandoned = 256  // of those that nobody waits for any more
)

// replies matches what comes back with what was asked. A reply counts only if it
// comes from the entity that was asked: ids are no secret.
//
// RFC 6120, Sections 8.1.2.1, 8.1.3 and 8.2.3.
type replies struct {
	self      jid.JID
	waiting   map[request]func(stanza.Stanza)
	abandoned []request // oldest first; each is in waiting, too
}

// request identifies an iq that was sent.
type request struct {
	peer jid.JID
	id   string
}

func newReplies(self jid.JID) *replies {
	return &replies{self: self, waiting: make(map[request]func(stanza.Stanza))}
}

// peer returns who is meant by an address of ours that may be missing: on the
// way out and on the way back, that is our own account, on behalf of which the
// server answers.
func (r *replies) peer(j jid.JID) jid.JID {
	if j.IsZero() {
		return r.self.Bare()
	}
	return j
}

// add expects a reply from to.
func (r *replies) add(to jid.JID, id string, onReply func(stanza.Stanza)) error {
	key := request{r.peer(to), id}
	if _, ok := r.waiting[key]; ok {
		return fmt.Errorf("xmpp: a request to %s with the id %q is outstanding", key.peer, id)
	}
	if len(r.waiting) >= maxReplies {
		return fmt.Errorf("xmpp: %d requests are outstanding", maxReplies)
	}
	r.waiting[key] = onReply
	return nil
}

// take returns who waits for that reply, and whether one was expected at all.
func (r *replies) take(reply stanza.Stanza) (func(stanza.Stanza), bool) {
	key := request{r.peer(reply.From), reply.ID}
	onReply, ok := r.waiting[key]
	delete(r.waiting, key)
	return onReply, ok
}

// remove forgets a request that was not sent after all.
func (r *replies) remove(to jid.JID, id string) { delete(r.waiting, request{r.peer(to), id}) }

// abandon notes that nobody waits for a reply any more. If it still comes it is
// not taken for a forgery, as long as it is remembered.
func (r *replies) abandon(to jid.JID, id string) {
	key := request{r.peer(to), id}
	if _, ok := r.waiting[key]; !ok {
		return
	}
	r.waiting[key] = nil
	if r.abandoned = append(r.abandoned, key); len(r.abandoned) > maxAbandoned {
		oldest := r.abandoned[0]
		r.abandoned = r.abandoned[1:]
		if r.waiting[oldest] == nil {
			delete(r.waiting, oldest)
		}
	}
}
