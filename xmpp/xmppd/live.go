package xmppd

import (
	"crypto/rand"
	"errors"
	"reflect"
	"slices"
	"time"

	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
)

// Live is what may change while a server runs. Identity is needed; every other field's zero value is its default.
type Live struct {
	Identity *pki.Identity // certificate and key for TLS; its certificate names Domain

	// Allowed says whether an account may log in whose certificate verifies or password fits. Default: every one of Domain.
	Allowed func(account jid.JID) bool
	// Groups are the roster: the members of a group see each other's presence, without asking. Default: one group of
	// all accounts of Domain, into which an account comes when it first logs in. Empty, but not nil: nobody sees anybody.
	Groups []Group
	// Rules say who may send to whom. Default: everybody within Domain, nobody across domains.
	Rules []Rule

	Limits Limits
	Stream xmpp.Limits // of what a client may send; announced

	// QueueSize is how many octets may wait for a client that reads slowly; default 1 MiB. When they are that many, a
	// request or message for it is answered with resource-constraint. Of anything else SlowReaders says what happens.
	//
	// One account has at most Limits.QueueShare of another's queue for what nobody has asked it for. Beyond that its
	// requests and messages are refused in the same way; what can not be refused is thrown away, with an audit event.
	QueueSize   int
	SlowReaders SlowReaders
	// MaxAge is how old a stream may get before it ends with reset, so that its client shows its certificate again to a
	// new TLS connection; it ends up to a tenth earlier, not to meet all others that began with it. Default 12 h; at most
	// 24 h; negative: no bound.
	MaxAge time.Duration
}

// SlowReaders is what happens to a client that reads too slowly for what cannot be refused: presence, answers, errors.
type SlowReaders uint8

const (
	// CutSlowReaders ends its stream with policy-violation: nothing is lost in silence.
	CutSlowReaders SlowReaders = iota
	// DropForSlowReaders throws away what others send it unasked. For what it has asked for itself, its stream ends.
	DropForSlowReaders
)

const (
	defaultMaxAge = 12 * time.Hour
	longestMaxAge = 24 * time.Hour
)

// settings is a Live with its defaults in place. It is never changed, only replaced as a whole.
type settings struct {
	Live
	groups map[jid.JID][]contact // by account; nil: everybody sees everybody
}

// newSettings judges what a server is to live by.
func newSettings(l Live, domain string) (*settings, error) {
	if l.Identity == nil {
		return nil, errors.New("xmppd: a server needs an identity")
	}
	l.Limits = l.Limits.withDefaults()
	if l.QueueSize <= 0 {
		l.QueueSize = 1 << 20
	}
	if l.Limits.QueueShare <= 0 {
		l.Limits.QueueShare = l.QueueSize / 2
	}
	switch {
	case l.MaxAge == 0:
		l.MaxAge = defaultMaxAge
	case l.MaxAge > longestMaxAge:
		l.MaxAge = longestMaxAge
	}
	l.Rules, l.Limits.Accounts = slices.Clone(l.Rules), slices.Clone(l.Limits.Accounts)
	groups, err := roster(l.Groups, domain)
	if err != nil {
		return nil, err
	}
	return &settings{l, groups}, nil
}

// Reload replaces what the server lives by, all of it or, with an error, nothing. New streams use it at once. Those that
// are there stay, unless they could not log in any more (see Recheck): they are held to the new rules and limits of
// accounts, and hear whose presence and which contacts have come or gone; what their stream header announced, and the size
// of their own queue, remain.
func (s *Server) Reload(l Live) error {
	next, err := newSettings(l, s.cfg.Domain)
	if err != nil {
		return err
	}
	s.mu.Lock()
	last := s.set.Load()
	s.set.Store(next)
	s.groups, s.era = next.groups, rand.Text()
	s.gate.setLimits(next.Limits)
	for _, acc := range s.order {
		acc.may.Store(next.Limits.allowance(acc.jid))
	}
	for _, p := range s.fed.all() {
		p.account.may.Store(next.Limits.allowance(p.jid))
	}
	regrouped := !reflect.DeepEqual(last.Groups, next.Groups)
	if regrouped {
		s.pushAllChanges(last, next)
	}
	if regrouped || !slices.Equal(last.Rules, next.Rules) {
		s.regroup(last, next)
		s.regroupRemote(last, next)
	}
	s.unlock()
	s.Recheck()
	return nil
}

// Live returns what the server lives by at the moment, with the defaults in place.
func (s *Server) Live() Live { return s.set.Load().Live }
