// Package xmppd is an XMPP server for one domain that lives inside a program. Certificates name its accounts,
// or passwords where that is configured; configuration says who sees whom, and nothing is stored: a stanza reaches a
// session that is there now, or it is refused.
//
// A stanza's payload is forwarded as the octets that arrived. Only where these octets lean on declarations outside
// of themselves are they rewritten, without a change of meaning.
//
// RFC 6120; RFC 6121 without storage; XEP-0030 and XEP-0199 as far as a server answers them.
package xmppd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
)

// Config says what a server serves. Domain, Identity and Trust are needed; every other field's zero value is its
// default. New copies it, but for Passwords.
type Config struct {
	Domain   string        // the one domain that is served
	Identity *pki.Identity // certificate and key for TLS; its certificate names Domain
	Trust    *pki.Trust    // anchors for the clients' certificates

	// Passwords are the accounts that may log in by password, without a client certificate. They may be set anew while
	// the server runs. Nil or without accounts: certificates are needed.
	Passwords *sasl.Passwords
	// Allowed says whether an account may log in whose certificate verifies or password fits. Default: every one of Domain.
	Allowed func(account jid.JID) bool
	// Groups are the roster: the members of a group see each other's presence, without asking. Default: one group of
	// all accounts of Domain, into which an account comes when it first logs in. Empty, but not nil: nobody sees anybody.
	Groups []Group
	// Rules say who may send to whom. Default: everybody within Domain, nobody across domains.
	Rules []Rule

	Limits Limits
	Stream xmpp.Limits // of what a client may send; announced

	NegotiationTimeout time.Duration // from connection to bound resource; default 10 s
	WriteTimeout       time.Duration // for one write to make its way; default 10 s
	// QueueSize is how many octets may wait for a client that reads slowly; default 1 MiB. When they are that many, a
	// request or message for it is answered with resource-constraint. Anything else cannot be refused, and is not
	// dropped in silence either: the slow client's stream ends with policy-violation.
	//
	// One account has at most half of another's queue for what nobody has asked it for. Beyond that its requests and
	// messages are refused in the same way; what can not be refused is thrown away, with an audit event.
	QueueSize int
	KeepAlive xmpp.KeepAlive
	Recheck   time.Duration // how often the clients' certificates are judged again; default 1 h

	Logger *slog.Logger // nil is silent
	Audit  audit.Sink   // nil discards

	// Tap, if set, is shown every stanza that arrives: who sent it, its start tag and the octets between the tags, as
	// they came out of TLS. It runs on the reading goroutine and must keep neither slice.
	Tap func(from jid.JID, start, payload []byte)
}

// A Group is a set of accounts that see each other.
type Group struct {
	Name    string // shown in rosters, "" for none
	Members []jid.JID
}

// Limits bound what connections and accounts cost. A field that is not positive takes its default, but for Rate.
type Limits struct {
	Connections               int // at once; default 4,096
	ConnectionsPerAddress     int // at once from one IPv4 address or IPv6 /64; default 1,024
	UnauthenticatedPerAddress int // of these, that have not bound a resource yet; default 128
	ResourcesPerAccount       int // default 16

	// Rate is how many octets a second an account may send, all of its streams together and a quarter of a second ahead;
	// a stanza counts for 256 more. Who sends more is read more slowly. Default 32 MiB; negative: no bound.
	Rate int
}

func (l Limits) withDefaults() Limits {
	or := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	or(&l.Connections, 4096)
	or(&l.ConnectionsPerAddress, 1024)
	or(&l.UnauthenticatedPerAddress, 128)
	or(&l.ResourcesPerAccount, 16)
	if l.Rate == 0 {
		l.Rate = 32 << 20
	}
	return l
}

// ErrServerClosed is returned by Serve after Shutdown or Close.
var ErrServerClosed = fmt.Errorf("xmppd: the server is closed: %w", net.ErrClosed)

// Server is an XMPP server for one domain. Its methods may be called by several goroutines.
type Server struct {
	cfg    Config
	domain jid.JID
	gate   gate
	share  int                   // octets of a client's queue that one account may have
	groups map[jid.JID][]contact // by account; nil: everybody sees everybody
	rules  atomic.Pointer[rules]

	open     context.Context // until Shutdown or Close: something new may begin
	shut     context.CancelFunc
	live     context.Context // until Close, or until Shutdown has waited enough: connections may go on
	cut      context.CancelFunc
	watching sync.Once      // for the goroutine that rechecks, which the first Serve starts
	work     sync.WaitGroup // that goroutine, and one for each connection

	// mu guards the table of sessions and their presence. What is pushed into a stream's queue while it is held can
	// not change its order with another change of presence; nothing that could wait happens under it.
	mu        sync.RWMutex
	accounts  map[jid.JID]*account
	order     []*account // as they first logged in
	listeners map[net.Listener]struct{}
	tags      []byte        // buffer for start and end tags
	events    []audit.Event // to be recorded by unlock
	pushes    uint64        // roster pushes made so far: their ids
}

// account is a bare JID that has logged in since the server started.
type account struct {
	jid      jid.JID
	sessions []*session // in the order in which they bound
	sent     bucket     // by all of them
	denied   denials
}

// New returns a server that does not listen yet.
func New(cfg Config) (*Server, error) {
	domain, err := jid.New("", cfg.Domain, "")
	if err != nil {
		return nil, fmt.Errorf("xmppd: the domain to serve: %w", err)
	}
	if cfg.Identity == nil || cfg.Trust == nil {
		return nil, errors.New("xmppd: a server needs an identity and trust anchors")
	}
	cfg.Domain = domain.Domain()
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.QueueSize <= 0 {
		cfg.QueueSize = 1 << 20
	}
	if cfg.Recheck <= 0 {
		cfg.Recheck = time.Hour
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Audit == nil {
		cfg.Audit = audit.Discard
	}
	s := &Server{
		cfg: cfg, domain: domain, gate: newGate(cfg.Limits), share: cfg.QueueSize / 2,
		accounts: map[jid.JID]*account{}, listeners: map[net.Listener]struct{}{},
	}
	if s.groups, err = roster(cfg.Groups, cfg.Domain); err != nil {
		return nil, err
	}
	s.rules.Store(&rules{slices.Clone(cfg.Rules)})
	s.live, s.cut = context.WithCancel(context.Background())
	s.open, s.shut = context.WithCancel(s.live)
	return s, nil
}

// SessionInfo describes one session.
type SessionInfo struct {
	JID       jid.JID
	Available bool // it has sent presence and not taken it back
	Stream    xmpp.Info
}

// Sessions returns the sessions of this moment, ordered by address.
func (s *Server) Sessions() []SessionInfo {
	s.mu.RLock()
	var all []SessionInfo
	for _, a := range s.accounts {
		for _, ses := range a.sessions {
			all = append(all, SessionInfo{ses.jid, ses.available, ses.conn.Info()})
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b SessionInfo) int { return strings.Compare(a.JID.String(), b.JID.String()) })
	return all
}

// unlock releases s.mu, and then records what has happened under it: a sink may write to a file.
func (s *Server) unlock() {
	events := s.events
	s.events = nil
	s.mu.Unlock()
	for _, e := range events {
		s.cfg.Audit.Record(e)
	}
}
