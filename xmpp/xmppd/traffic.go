package xmppd

import (
	"sync/atomic"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// A correspondent is an account as one session of another sees it.
type correspondent struct {
	share xmpp.Share   // what the account has waiting in the session's queue
	asked atomic.Int64 // requests of the session to the account that may still be answered
}

// correspondent returns the account as this session sees it.
func (ses *session) correspondent(a *account) *correspondent {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	c := ses.known[a]
	if c == nil {
		if ses.known == nil {
			ses.known = map[*account]*correspondent{}
		}
		c = new(correspondent)
		ses.known[a] = c
	}
	return c
}

// A lane is the way of one stream into the router.
type lane struct {
	server  *Server
	conn    *xmpp.Conn
	content string   // namespace of the stream's stanzas
	jid     jid.JID  // whose stream it is: a full JID, or the other domain
	account *account // whom what comes counts for: that JID's, or what stands for all of the other domain

	reported atomic.Bool // that something it sent was thrown away

	// Used by the reading goroutine only.
	last      pair     // whom it sent something to last
	verdicts  verdicts // whom it may send to
	credit    int      // octets that it has paid for and not sent yet
	heads     stanza.Heads
	sending   stanza.Stanza // what deliver is at
	tags      []byte        // buffer for start and end tags
	rewritten []byte        // buffer for payloads that had to be rewritten
}

func (l *lane) way() *lane { return l }

// A receiver is where a stanza goes next: a session, or the server of another domain.
type receiver interface {
	// owner returns the account that it belongs to, or what stands for all of the other domain.
	owner() *account
	// correspondent returns an account as this receiver sees it.
	correspondent(a *account) *correspondent
	// push queues a stanza, with buf for its tags; it returns buf for the next one. With a share it counts as that
	// sender's, who may have so many octets of the queue. The error is xmpp.ErrQueueFull, xmpp.ErrShareFull,
	// xmpp.ErrTooLarge, or says that the stream has ended.
	push(buf []byte, share *xmpp.Share, limit int, st *stanza.Stanza) ([]byte, error)
	// slow is told that there was no room for what the receiver has asked for, and passes the event to record.
	slow(record func(audit.Event))
}

// owner is account's, for a receiver.
func (l *lane) owner() *account { return l.account }

// pair is a receiver that a sender sends to, and how they see each other's account.
type pair struct {
	to        receiver
	here, far *correspondent // the receiver's account as the sender sees it, the sender's as the receiver does
}

// between returns what there is between a sender and a receiver. The last one is remembered: whoever sends much sends much
// to the same. Only the sender's goroutine calls it.
func between(from sender, to receiver) pair {
	l := from.way()
	if l.last.to != to {
		l.last = pair{to, from.correspondent(to.owner()), to.correspondent(l.account)}
	}
	return l.last
}

// inner returns the payload of the stanza whose start tag was just read: the octets that arrived if they mean the same
// on any stream, in its content namespace, else a copy that does. It is valid until the next read.
func (l *lane) inner(start []byte) ([]byte, error) {
	raw, err := l.conn.Inner()
	if err != nil {
		return nil, err
	}
	if tap := l.server.cfg.Tap; tap != nil {
		tap(l.jid, start, raw.Octets)
	}
	if raw.SelfContained && raw.Default == l.content {
		return raw.Octets, nil
	}
	if l.rewritten, err = raw.AppendSelfContained(l.rewritten[:0], l.content); err != nil {
		l.audit(audit.StreamLimit, err.Error())
		return nil, err
	}
	return l.rewritten, nil
}

// trim gives back what a large stanza has taken.
func (l *lane) trim() {
	if cap(l.rewritten) > keptBuffer {
		l.rewritten = nil
	}
}

// audit records an event about whose stream it is. Server.mu is not held.
func (l *lane) audit(id audit.ID, text string) { l.server.cfg.Audit.Record(l.event(id, text)) }

// event makes an event about whose stream it is, now.
func (l *lane) event(id audit.ID, text string) audit.Event {
	return audit.Event{ID: id, Time: time.Now(), Peer: l.jid.String(), Subject: l.account.jid.String(), Text: text}
}

// take reports whether one of the requests that may still be answered is answered now.
func (c *correspondent) take() bool {
	for {
		n := c.asked.Load()
		if n == 0 {
			return false
		}
		if c.asked.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// deliver queues a sender's stanza for a receiver. What that one has asked for needs room in its queue, everything else room
// in the share that the sender's account has of it. The error is that of receiver.push. Only the sender's goroutine calls it.
func (s *Server) deliver(from sender, to receiver, st *stanza.Stanza) error {
	l, p := from.way(), between(from, to)
	sending := &l.sending // so that the callers' stanzas need not be on the heap
	*sending = *st
	if st.Kind == stanza.IQ {
		switch st.Type {
		case stanza.Get, stanza.Set:
			p.here.asked.Add(1)
			err := l.pushTo(to, &p.far.share, sending)
			if err != nil {
				p.here.take()
			}
			return err
		default:
			if p.far.take() {
				err := l.pushTo(to, nil, sending)
				if err == xmpp.ErrQueueFull {
					to.slow(s.cfg.Audit.Record)
				}
				return err
			}
		}
	}
	return l.pushTo(to, &p.far.share, sending)
}

// pushTo is push with this lane's buffer.
func (l *lane) pushTo(to receiver, share *xmpp.Share, st *stanza.Stanza) (err error) {
	l.tags, err = to.push(l.tags[:0], share, l.account.may.Load().share, st)
	return err
}

// flooded notes that something a sender sent was thrown away, because its account's share of a queue was full and it
// could not be refused. It is recorded once for each stream.
func flooded(from sender, to receiver, record func(audit.Event)) {
	from.way().account.tally.dropped.Add(1)
	if from.way().reported.CompareAndSwap(false, true) {
		record(from.way().event(audit.StreamFlood, "more for "+to.owner().jid.String()+" than its share of that queue: thrown away"))
	}
}
