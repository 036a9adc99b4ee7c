package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/xmppd"
)

// BrokerOptions says how to run the site's broker.
type BrokerOptions struct {
	Listen string         // HOST:PORT; port 0 takes a free one; default: as busbar.yaml says
	Ready  func(net.Addr) // called once it listens, with the first address
	// ListenPeers and ReadyPeers are the same for the brokers of other domains; default: as busbar.yaml says, else it does
	// not listen for them.
	ListenPeers string
	ReadyPeers  func(net.Addr)
	// Listener and PeersListener, if set, are what it listens on instead. RunBroker closes them.
	Listener, PeersListener net.Listener

	Reload <-chan os.Signal // asks to read all files again; may be nil
	Logger *slog.Logger
	Audit  audit.Sink
	// AuditLost says how many events could not be recorded; may be nil.
	AuditLost func() uint64
	Tap       func(from jid.JID, start, payload []byte) // shown every stanza that is routed

	Refresh time.Duration // how often revocation lists are read again; default 1 minute
}

// RunBroker serves the site's domain until ctx ends, then takes leave of its clients. It acts on what changes in busbar.yaml
// and in the files of keys, certificates, revocation lists and passwords while it runs.
func (s *Site) RunBroker(ctx context.Context, o BrokerOptions) error {
	o.Logger, o.Refresh = cmp.Or(o.Logger, silent), cmp.Or(o.Refresh, defaultRefresh)
	if o.Audit == nil {
		o.Audit = audit.Discard
	}
	b, err := s.newBroker(o)
	if err != nil {
		return err
	}
	defer b.server.Close()
	clients, err := s.listenAll(ctx, o.Listener, "--listen", o.Listen, "listen", s.broker.listen)
	if err != nil {
		return err
	}
	peers, err := s.listenAll(ctx, o.PeersListener, "--listen-s2s", o.ListenPeers, "s2s: listen", s.broker.s2s.Listen)
	if err != nil {
		closeAll(clients)
		return err
	}
	for file, listeners := range map[string][]net.Listener{s.brokerFile(): clients, s.brokerPeersFile(): peers} {
		if len(listeners) == 0 {
			continue
		}
		address := listeners[0].Addr()
		if err := s.noteBroker(file, address); err != nil {
			closeAll(append(clients, peers...))
			return err
		}
		defer forgetBroker(file, address)
	}
	for purpose, listeners := range map[string][]net.Listener{"clients": clients, "servers": peers} {
		for _, l := range listeners {
			b.listening = append(b.listening, Listening{purpose, l.Addr().String()})
		}
	}
	slices.SortStableFunc(b.listening, func(a, b Listening) int { return strings.Compare(a.Purpose, b.Purpose) })
	closeWeb, err := b.openWeb(ctx)
	if err != nil {
		closeAll(append(clients, peers...))
		return err
	}
	defer closeWeb()
	return b.run(ctx, clients, peers)
}

// CheckBroker reads everything that a broker of the site would, and says what it would listen on.
func (s *Site) CheckBroker() (listen []string, err error) {
	if _, err := s.newBroker(BrokerOptions{Logger: silent, Audit: audit.Discard}); err != nil {
		return nil, err
	}
	return s.broker.listen, nil
}

// runningBroker is a broker and what it was made of.
type runningBroker struct {
	o         BrokerOptions
	server    *xmppd.Server
	trust     *pki.Trust
	passwords *livePasswords
	domains   peerDomains
	files     fileWatch
	events    countingSink

	mu        sync.Mutex
	site      *Site // as it was read last, without a fault
	reloads   reloads
	state     string
	identity  *pki.Identity // shown to clients
	listening []Listening   // set before it serves
}

// newBroker reads what the broker needs and makes it. It does not listen yet.
func (s *Site) newBroker(o BrokerOptions) (*runningBroker, error) {
	b := &runningBroker{o: o, site: s, state: stateStarting, passwords: &livePasswords{site: s}}
	b.events.Sink = o.Audit
	b.files.follow(s.brokerFiles(), time.Now())
	var err error
	if b.trust, err = s.trust(pki.E2M); err != nil {
		return nil, err
	}
	live, err := s.brokerLive(b.trust)
	if err != nil {
		return nil, err
	}
	if err := b.domains.replace(s); err != nil {
		return nil, err
	}
	b.identity = live.Identity
	if err := b.passwords.Refresh(); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	b.server, err = xmppd.New(xmppd.Config{Domain: s.Domain, Trust: b.trust, Passwords: &b.passwords.Passwords, Live: live, ResumeTime: s.broker.resume, Rosters: s.broker.rosters(),
		Federation: b.domains.federation(s), Logger: o.Logger, Audit: &b.events, Tap: o.Tap})
	if err != nil {
		return nil, fmt.Errorf("%s: broker: %w", FileName, err)
	}
	return b, nil
}

// rosters is what accounts may agree on among themselves, nil for nothing.
func (b *broker) rosters() *xmppd.Rosters {
	if b.contacts == 0 {
		return nil
	}
	return &xmppd.Rosters{Items: b.contacts}
}

// brokerLive is what busbar.yaml, and the broker's key and certificate, say.
func (s *Site) brokerLive(trust *pki.Trust) (xmppd.Live, error) {
	live := s.broker.live
	id, err := pki.LoadIdentity(s.Path("pki", "broker", "tls.crt"), s.Path("pki", "broker", "tls.key"))
	if err != nil {
		return live, Hint(fmt.Errorf("broker: %w", err), "`busbar init` makes the broker's key and certificate: they must be there, the key readable to this user only")
	}
	if _, err := trust.VerifyServer(id.Chain, s.jid.ASCIIDomain(), time.Now()); err != nil {
		return live, fmt.Errorf("broker: own TLS %w", err)
	}
	if s.federates() {
		if err := standsAmongServers(trust, id, s.jid.ASCIIDomain()); err != nil {
			return live, err
		}
	}
	live.Identity = id
	return live, nil
}

// brokerFiles are the files that a broker lives by.
func (s *Site) brokerFiles() []string {
	files := []string{s.Path(FileName), s.Path("pki", "broker", "tls.crt"), s.Path("pki", "broker", "tls.key"), s.passwordFile()}
	files = append(files, sourceFiles(s.trustSources(pki.E2M))...)
	for _, d := range s.domains {
		files = append(files, sourceFiles(s.sources(d.E2M))...)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// terms are those of what somebody has to renew.
func (b *runningBroker) terms() []pki.Term { return append(b.trust.Terms(), b.shown().Terms()...) }

// upkeep is what keeps the broker's trust up to date. What busbar.yaml and the keys say, watch does.
func (b *runningBroker) upkeep() *upkeep {
	return &upkeep{every: b.o.Refresh, log: b.o.Logger, events: &b.events, lists: []refresher{b.trust, b.passwords, &b.domains},
		recheck: b.server.Recheck, prompt: true,
		staple: func(ctx context.Context, now time.Time) error { return b.trust.Staple(ctx, b.shown(), now) },
		terms:  b.terms}
}

// stapleTime is how long a broker waits for a staple before it shows a certificate for the first time.
const stapleTime = 5 * time.Second

// shown is the identity that clients are shown.
func (b *runningBroker) shown() *pki.Identity {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.identity
}

// staple gets a staple for a certificate that is about to be shown. What goes wrong upkeep says.
func (b *runningBroker) staple(id *pki.Identity) {
	ctx, cancel := context.WithTimeout(context.Background(), stapleTime)
	defer cancel()
	b.trust.Staple(ctx, id, time.Now())
}

// run serves until ctx ends, and then takes leave.
func (b *runningBroker) run(ctx context.Context, clients, peers []net.Listener) error {
	listeners := len(clients) + len(peers)
	served := make(chan error, listeners)
	b.staple(b.shown())
	for _, l := range clients {
		go func() { served <- b.server.Serve(context.WithoutCancel(ctx), l) }()
	}
	for _, l := range peers {
		go func() { served <- b.server.ServePeers(context.WithoutCancel(ctx), l) }()
	}
	watch, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stop()
	watching.Go(func() { b.upkeep().run(watch) })
	watching.Go(func() { b.watch(watch) })
	watching.Go(func() { giveBack(watch, func() uint64 { return b.server.Stats().Bound }) })
	started := "listens on " + addresses(clients)
	if len(peers) > 0 {
		started += ", for brokers of other domains on " + addresses(peers)
	}
	b.become(stateServing)
	b.record(audit.BrokerStarted, started)
	if b.o.ReadyPeers != nil && len(peers) > 0 {
		b.o.ReadyPeers(peers[0].Addr())
	}
	if b.o.Ready != nil {
		b.o.Ready(clients[0].Addr())
	}
	notify("READY=1\nSTATUS=serves %s, %s", b.current().Domain, started)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	b.become(stateDraining)
	notify("STOPPING=1")
	stop()
	watching.Wait()
	return b.drain(context.WithoutCancel(ctx), served, listeners)
}

// drain takes leave of the clients, who have a while to take what is queued for them.
func (b *runningBroker) drain(ctx context.Context, served <-chan error, listeners int) error {
	limit, sessions := b.current().broker.drain, len(b.server.Sessions())
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := b.server.Shutdown(ctx)
	for range listeners {
		if e := <-served; !errors.Is(e, xmppd.ErrServerClosed) {
			return e
		}
	}
	text := fmt.Sprintf("%d clients were told, and have gone", sessions)
	if err != nil {
		text = fmt.Sprintf("%d clients were told, not all of them took what was queued within %v", sessions, limit)
		b.o.Logger.Warn("broker: some clients were cut off", "after", limit)
	}
	b.record(audit.BrokerDrained, text)
	return nil
}

func (b *runningBroker) become(state string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state = state
}

// current is the site as it was read last.
func (b *runningBroker) current() *Site {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.site
}

func (b *runningBroker) record(id audit.ID, text string) {
	b.events.Record(audit.Event{ID: id, Time: time.Now(), Subject: b.current().Domain, Text: text})
}

// listenAll listens with what is there, else where given says, else where busbar.yaml does in a field of the broker.
func (s *Site) listenAll(ctx context.Context, there net.Listener, flag, given, field string, all []string) ([]net.Listener, error) {
	if there != nil {
		return []net.Listener{there}, nil
	}
	where := FileName + ": broker: " + field
	if given != "" {
		where, all = flag, []string{given}
	}
	var listeners []net.Listener
	for _, address := range all {
		if err := CheckAddress(where, address); err != nil {
			closeAll(listeners)
			return nil, err
		}
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			closeAll(listeners)
			return nil, Hint(fmt.Errorf("broker: %w", err), "another program may use that port: choose one with "+flag+" HOST:PORT, where port 0 takes a free one")
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

func addresses(listeners []net.Listener) string {
	var all []string
	for _, l := range listeners {
		all = append(all, l.Addr().String())
	}
	return strings.Join(all, ", ")
}

// noteBroker writes into a file where the broker listens, for the commands that run in the same folder. Who finds the file
// finds the whole address in it.
func (s *Site) noteBroker(file string, a net.Addr) error {
	if err := os.MkdirAll(s.Path("run"), 0o700); err != nil {
		return err
	}
	return replaceFile(file, []byte(a.String()+"\n"))
}

// forgetBroker removes the note, unless another broker has overwritten it.
func forgetBroker(file string, a net.Addr) {
	if noted, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(noted)) == a.String() {
		os.Remove(file)
	}
}
