package xmppd

import (
	"bytes"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// maxDirected bounds to how many addresses that are no contacts a session may have shown itself.
const maxDirected = 256

// maxPresence bounds the payload of a presence, in octets: it is kept for those who come later.
const maxPresence = 16 << 10

// keptBuffer is the size in octets up to which a session keeps a buffer for the next stanza.
const keptBuffer = 16 << 10

var errReplaced = &xmpp.StreamError{Condition: xmpp.Conflict, Text: "replaced by a newer stream"}

var errTooManyResources = stanza.NewError(stanza.ResourceConstraint, "this account has as many resources as it may have")

// session is one bound stream, over one connection after the other.
type session struct {
	lane
	newest atomic.Pointer[xmpp.Conn]
	expiry atomic.Pointer[time.Timer] // that ends it, while it is detached

	since time.Time // when that connection was set up
	early float64   // by which part of the longest age it ends before that, 0 to 0.1

	gone  atomic.Bool // no longer in the table; set under server.mu
	ended atomic.Bool // we have ended it for reading too slowly
	lossy atomic.Bool // it was recorded that something for it was thrown away

	mu    sync.Mutex
	known map[*account]*correspondent // that have sent something to it, or been asked something

	// Guarded by server.mu.
	id         string        // under which it may be resumed; "" for not
	unread     chan struct{} // closed when nobody reads from the newest connection any more
	detached   bool          // it has none
	claimed    bool          // it is about to get another
	available  bool
	priority   int8
	presence   stanza.Stanza        // the last one broadcast, while available
	directed   map[jid.JID]struct{} // who else knows that it is available
	interested bool                 // has asked for the roster, and hears of changes
}

// bind puts a new session into the table. An older one of the same full JID is replaced.
//
// RFC 6120, Section 7.7.2.2.
func (s *Server) bind(c *xmpp.Conn, resource string) (*session, error) {
	bare := c.JID()
	if resource == "" {
		resource = rand.Text()
	}
	full, err := bare.WithResource(resource)
	if err != nil {
		return nil, stanza.NewError(stanza.BadRequest, err.Error())
	}

	s.mu.Lock()
	defer s.unlock()
	if s.open.Err() != nil {
		return nil, &xmpp.StreamError{Condition: xmpp.SystemShutdown}
	}
	acc := s.accounts[bare]
	if acc == nil {
		acc = s.newAccount(bare)
	}
	ses := &session{lane: lane{server: s, conn: c, content: stanza.Namespace, jid: full, account: acc}, since: time.Now(), early: mathrand.Float64() / 10, unread: make(chan struct{})}
	ses.newest.Store(c)
	old := acc.session(full)
	if old == nil && len(acc.sessions) >= acc.may.Load().resources {
		s.events = append(s.events, ses.event(audit.StreamFlood, errTooManyResources.Text))
		return nil, errTooManyResources
	}
	if old != nil {
		s.remove(old)
		old.stream().End(errReplaced)
		s.events = append(s.events, ses.event(audit.StreamReplaced, "a second stream has bound this address"))
	}
	if s.accounts[bare] == nil {
		s.accounts[bare] = acc
		s.order = append(s.order, acc)
		s.announceAccount(acc)
	}
	acc.sessions = append(acc.sessions, ses)
	return ses, nil
}

// newAccount returns an account that is not in the table yet.
func (s *Server) newAccount(bare jid.JID) *account {
	acc := &account{jid: bare}
	acc.may.Store(s.set.Load().Limits.allowance(bare))
	return acc
}

// remove takes a session out of the table and tells who knew of it. s.mu is held.
func (s *Server) remove(ses *session) {
	ses.gone.Store(true)
	delete(s.resumable, ses.id)
	if ses.detached {
		s.keep(ses, false)
		ses.stream().Discard()
		s.lost = append(s.lost, ses)
	}
	a := ses.account
	a.sessions = slices.DeleteFunc(a.sessions, func(other *session) bool { return other == ses })
	s.withdraw(ses, stanza.Stanza{Kind: stanza.Presence, Type: stanza.Unavailable, From: ses.jid})
}

// session returns the account's session with that full JID, or nil. Server.mu is held.
func (a *account) session(full jid.JID) *session {
	for _, ses := range a.sessions {
		if ses.jid == full {
			return ses
		}
	}
	return nil
}

// run reads the session's stanzas and routes each before it reads the next, until the stream ends or is idle for a while.
func (ses *session) run() (idle bool, err error) {
	for {
		if ses.conn.Await() {
			return true, nil
		}
		token, err := ses.conn.Next()
		if err != nil {
			return false, err
		}
		if err := ses.take(token); err != nil {
			return false, err
		}
	}
}

// take routes the stanza that begins with token. An error ends the stream.
func (ses *session) take(token *xmltok.Token) error {
	ses.count()
	head, headErr := ses.heads.Parse(token)
	var start []byte
	if ses.server.cfg.Tap != nil {
		start = bytes.Clone(ses.conn.Scanner().RawStart())
	}
	payload, err := ses.inner(start)
	if err != nil {
		return err
	}
	if err := ses.checkFrom(head, headErr); err != nil {
		return err
	}
	head.From = ses.jid
	if refusal, ok := errors.AsType[*stanza.Error](headErr); ok {
		refuse(ses, head, refusal)
		return nil
	} else if headErr != nil {
		return &xmpp.StreamError{Condition: xmpp.UnsupportedStanzaType}
	}
	ses.account.tally.received[head.Kind].Add(1)
	head.Payload = payload
	ses.route(head)
	ses.trim()
	return nil
}

// checkFrom ends the stream of a client that speaks in another's name.
//
// RFC 6120, Section 8.1.2.1.
func (ses *session) checkFrom(head stanza.Stanza, headErr error) error {
	ok := head.From.IsZero() || head.From == ses.jid || head.From == ses.account.jid
	if ok && headErr != stanza.ErrInvalidFrom {
		return nil
	}
	claimed := "something that is no address"
	if !head.From.IsZero() {
		claimed = head.From.String()
	}
	ses.audit(audit.SenderSpoofed, "sent a stanza from "+claimed)
	return &xmpp.StreamError{Condition: xmpp.InvalidFrom}
}
