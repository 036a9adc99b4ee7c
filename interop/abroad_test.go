//go:build interop

package interop_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/acsi/server"
	"busbar.example/app/site"
	"busbar.example/internal/foreign"
	"busbar.example/secure/pki"
	"busbar.example/value"
)

// abroad is a site whose parties meet at servers of another make, which have the certificate of its broker.
type abroad struct {
	*testing.T
	site *site.Site
}

// newAbroad makes a site with an operator, ems.
func newAbroad(t *testing.T) *abroad {
	t.Helper()
	return newAbroadOf(t, domain)
}

func newAbroadOf(t *testing.T, domain string) *abroad {
	t.Helper()
	s, err := site.Init(filepath.Join(t.TempDir(), "site"), domain)
	if err != nil {
		t.Fatal(err)
	}
	a := &abroad{t, s}
	a.issue("ems", "ENGINEER", "OPERATOR")
	return a
}

// options are how a server serves the site's domain.
func (a *abroad) options() foreign.Options {
	a.Helper()
	id, err := pki.LoadIdentity(a.site.Path("pki", "broker", "tls.crt"), a.site.Path("pki", "broker", "tls.key"))
	if err != nil {
		a.Fatal(err)
	}
	root, err := site.Certificate([]byte(read(a, a.site.Path("pki", "e2m", "root.crt"))))
	if err != nil {
		a.Fatal(err)
	}
	return foreign.Options{Domain: a.site.Domain, Identity: id, Roots: []*x509.Certificate{root}}
}

// connect has the site's parties find these servers, in that order; more is what else its busbar.yaml says.
func (a *abroad) connect(more string, servers ...*foreign.Server) {
	a.Helper()
	var addresses []string
	for _, s := range servers {
		addresses = append(addresses, s.Clients)
	}
	text := fmt.Sprintf("domain: %s\nclient: ems\nconnect: [%s]\n%s", a.site.Domain, strings.Join(addresses, ", "), more)
	err := os.WriteFile(a.site.Path(site.FileName), []byte(text), 0o600)
	if err == nil {
		a.site, err = site.Open(a.site.Dir)
	}
	if err != nil {
		a.Fatal(err)
	}
}

func (a *abroad) issue(name string, roles ...string) {
	a.Helper()
	j, err := a.site.Account(name)
	if err == nil {
		err = a.site.Issue(j, roles, "", false)
	}
	if err != nil {
		a.Fatal(err)
	}
}

// ied runs the demo's feeder under an account until the test ends. What it protects its associations by, o may say.
func (a *abroad) ied(name string, o site.IEDOptions) *site.RunningIED {
	a.Helper()
	a.issue(name)
	j, err := a.site.Account(name)
	if err == nil {
		o.JID, err = site.IED(j)
	}
	if err != nil {
		a.Fatal(err)
	}
	o.SCL, o.Logger = "../app/demo/scl/feeder.cid", slog.New(slog.NewTextHandler(a.Output(), nil))
	var running *site.RunningIED
	run(a.T, func(ctx context.Context, ready func()) error {
		o.Ready = func(r *site.RunningIED) {
			running = r
			ready()
		}
		return a.site.RunIED(ctx, o)
	})
	return running
}

// dial associates the operator with an IED until the test ends, or close is called.
func (a *abroad) dial(ctx context.Context, party site.Party, to string) (c *client.Client, close func()) {
	a.Helper()
	dialled, err := a.site.Dial(ctx, party, to)
	if err != nil {
		a.Fatalf("to %s: %v\n%s", to, err, site.HintFor(err))
	}
	close = func() { dialled.Close(context.Background()) } // it may be lost already
	a.Cleanup(close)
	return client.New(dialled), close
}

// The meter of the feeder, and what reports it.
var (
	meter      = acsi.MustRef("FDR1LD0/MMTR1.SupWh.actVal[ST]")
	meterBlock = acsi.MustRef("FDR1LD0/LLN0.brcbEnergy01")
)

// counter moves the meter of a feeder, by one each time.
type counter struct {
	*testing.T
	engine *server.Engine
	handle server.Handle
	value  int64
}

func newCounter(t *testing.T, ied *site.RunningIED) *counter {
	t.Helper()
	h, err := ied.Engine.Handle(meter)
	if err != nil {
		t.Fatal(err)
	}
	return &counter{t, ied.Engine, h, 1000}
}

func (c *counter) count(n int) {
	for range n {
		c.value++
		c.engine.Update(func(tx *server.Tx) { tx.Set(c.handle, value.Int(c.value)) }) // it has that type
	}
}

// follower has seen the meter up to a value; 0: to none yet.
type follower struct {
	last  int64
	entry acsi.EntryID
}

// subscribe goes on after the last report that f has seen, or begins with what comes next.
func (f *follower) subscribe(ctx context.Context, c *client.Client) (*client.Subscription, error) {
	return c.Subscribe(ctx, meterBlock, client.SubscribeConfig{TrgOps: acsi.TrgDataChange, Resume: f.entry, Purge: f.entry == acsi.EntryID{}, Queue: 1 << 16})
}

// take looks at a report: each is of one more than the one before, so none is lost, doubled or out of its order.
func (f *follower) take(u client.Update) error {
	if u.Missed > 0 || u.Overflow {
		return fmt.Errorf("after %d, %d reports are missing, overflow %v", f.last, u.Missed, u.Overflow)
	}
	for _, v := range u.Values {
		n, ok := actVal(v)
		if !ok {
			continue
		}
		last := f.last
		f.last, f.entry = n, u.Report.EntryID
		if last != 0 && n != last+1 {
			return fmt.Errorf("%d is reported after %d", n, last)
		}
	}
	return nil
}

// follow takes reports until the meter stands at a value.
func (f *follower) follow(t *testing.T, s *client.Subscription, until int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for u, err := range s.Updates(ctx) {
		if err == nil {
			err = f.take(u)
		}
		if err != nil {
			t.Fatalf("reports until %d: %v", until, err)
		}
		if f.last >= until {
			return
		}
	}
	t.Fatalf("reports end at %d, want %d", f.last, until)
}

// actVal is what the meter stood at, where v is of the meter.
func actVal(v client.UpdateValue) (int64, bool) {
	if v.Ref.Path() != "FDR1LD0/MMTR1.SupWh" {
		return 0, false
	}
	return v.Value.At(0).Int()
}
