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
	Listen string           // HOST:PORT; port 0 takes a free one; default: as busbar.yaml says
	Ready  func(net.Addr)   // called once it listens, with the first address
	Reload <-chan os.Signal // asks to read all files again; may be nil
	Logger *slog.Logger
	Audit  audit.Sink
	Tap    func(from jid.JID, start, payload []byte) // shown every stanza that is routed

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
	listeners, err := s.listenAll(ctx, o.Listen)
	if err != nil {
		return err
	}
	address := listeners[0].Addr()
	if err := s.noteBroker(address); err != nil {
		closeAll(listeners)
		return err
	}
	defer s.forgetBroker(address)
	return b.run(ctx, listeners)
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
	files     fileWatch

	mu      sync.Mutex
	site    *Site // as it was read last, without a fault
	reloads reloads
}

// newBroker reads what the broker needs and makes it. It does not listen yet.
func (s *Site) newBroker(o BrokerOptions) (*runningBroker, error) {
	b := &runningBroker{o: o, site: s, passwords: &livePasswords{site: s}}
	b.files.follow(s.brokerFiles(), time.Now())
	var err error
	if b.trust, err = s.trust(pki.E2M); err != nil {
		return nil, err
	}
	live, err := s.brokerLive(b.trust)
	if err != nil {
		return nil, err
	}
	if err := b.passwords.Refresh(); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	b.server, err = xmppd.New(xmppd.Config{Domain: s.Domain, Trust: b.trust, Passwords: &b.passwords.Passwords, Live: live,
		Logger: o.Logger, Audit: o.Audit, Tap: o.Tap})
	if err != nil {
		return nil, fmt.Errorf("%s: broker: %w", FileName, err)
	}
	return b, nil
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
	live.Identity = id
	return live, nil
}

// brokerFiles are the files that a broker lives by.
func (s *Site) brokerFiles() []string {
	files := []string{s.Path(FileName), s.Path("pki", "broker", "tls.crt"), s.Path("pki", "broker", "tls.key"), s.passwordFile(),
		s.Path("pki", folderOf(pki.E2M), "root.crt"), s.crlFile(pki.E2M, "root"), s.crlFile(pki.E2M, "issuing")}
	for _, d := range s.domains {
		files = append(append(files, s.files(d.E2M.Roots)...), s.files(d.E2M.CRLs)...)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// run serves until ctx ends, and then takes leave.
func (b *runningBroker) run(ctx context.Context, listeners []net.Listener) error {
	served := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { served <- b.server.Serve(context.WithoutCancel(ctx), l) }()
	}
	watch, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stop()
	watching.Go(func() { watchRevocation(watch, b.o.Refresh, b.o.Logger, b.server.Recheck, b.trust, b.passwords) })
	watching.Go(func() { b.watch(watch) })
	b.record(audit.BrokerStarted, "listens on "+addresses(listeners))
	if b.o.Ready != nil {
		b.o.Ready(listeners[0].Addr())
	}
	notify("READY=1\nSTATUS=serves %s on %s", b.current().Domain, addresses(listeners))
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	notify("STOPPING=1")
	stop()
	watching.Wait()
	return b.drain(context.WithoutCancel(ctx), served, len(listeners))
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
	}
	b.record(audit.BrokerDrained, text)
	return err
}

// current is the site as it was read last.
func (b *runningBroker) current() *Site {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.site
}

func (b *runningBroker) record(id audit.ID, text string) {
	b.o.Audit.Record(audit.Event{ID: id, Time: time.Now(), Subject: b.current().Domain, Text: text})
}

// listenAll listens where given says, else where busbar.yaml does.
func (s *Site) listenAll(ctx context.Context, given string) ([]net.Listener, error) {
	where, all := FileName+": broker: listen", s.broker.listen
	if given != "" {
		where, all = "--listen", []string{given}
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
			return nil, Hint(fmt.Errorf("broker: %w", err), "another program may use that port: choose one with --listen HOST:PORT, where port 0 takes a free one")
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

// noteBroker writes where the broker listens, for the commands that run in the same folder. Who finds the file
// finds the whole address in it.
func (s *Site) noteBroker(a net.Addr) error {
	if err := os.MkdirAll(s.Path("run"), 0o700); err != nil {
		return err
	}
	return replaceFile(s.brokerFile(), []byte(a.String()+"\n"))
}

// forgetBroker removes the note, unless another broker has overwritten it.
func (s *Site) forgetBroker(a net.Addr) {
	if noted, err := os.ReadFile(s.brokerFile()); err == nil && strings.TrimSpace(string(noted)) == a.String() {
		os.Remove(s.brokerFile())
	}
}
