// Package demo shows all of Busbar in one process: two hierarchies of certification authorities, a broker,
// three simulated IEDs and clients, with real TLS on loopback.
package demo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"busbar.example/app/site"
	"busbar.example/xmpp/jid"
)

// models are the SCL files of the demo: one CID for each IED, and the SCD of all three.
//
//go:embed scl
var models embed.FS

// files are what the feeder serves: a disturbance record.
//
//go:embed files
var files embed.FS

// Domain is the XMPP domain of the demo, which its SCL files name too.
const Domain = "demo.example"

// plant is an IED of the demo.
type plant struct {
	account, file string
}

var plants = []plant{{"pv1", "pv.cid"}, {"bat1", "battery.cid"}, {"fdr1", "feeder.cid"}}

// The clients of the demo.
const (
	ems   = "ems"
	guest = "guest"
)

// clients are their roles.
var clients = map[string][]string{ems: {"ENGINEER", "OPERATOR"}, guest: {"VIEWER"}}

// latitude is where the demo's plant stands, in degrees to the north.
const latitude = 45

// noon is the longitude at which it is an hour past noon at t: a demo is given at any hour, and a
// photovoltaic plant at night shows little.
func noon(t time.Time) float64 {
	t = t.UTC()
	hours := float64(t.Hour()) + float64(t.Minute())/60
	return math.Remainder(15*(13-hours), 360)
}

// startTime bounds how long the parties take to come on line.
const startTime = 30 * time.Second

// Options says what the demo shows.
type Options struct {
	Once bool // end after the walk, else stay up until ctx ends and show commands to try
	MMS  bool // serve MMS over TCP too, and read the same IED both ways
	// Federated adds a second domain with a broker of its own, whose client reads from an IED of the first.
	Federated bool
	// SelfTest tries every service of each IED.
	SelfTest bool
}

// Run brings the demo up in a temporary site and walks through it, printing to out what happens. errs hears what goes
// wrong in the background.
func Run(ctx context.Context, out, errs io.Writer, o Options) error {
	dir, err := os.MkdirTemp("", "busbar-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demo{out: out, mms: o.MMS, log: slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	d.auditFailed = func(err error) { d.log.Error("an audit event is lost", "err", err) }
	if err := d.makeSite(filepath.Join(dir, "site")); err != nil {
		return err
	}
	if o.Federated {
		defer d.leaveMeetings()
		if err := d.makeUtility(filepath.Join(dir, "utility")); err != nil {
			return err
		}
	}
	// The IEDs take leave before the broker ends.
	brokerCtx, endBroker := context.WithCancel(context.WithoutCancel(ctx))
	defer d.broker.Wait()
	defer endBroker()
	ctx, end := context.WithCancelCause(ctx)
	defer d.ieds.Wait()
	defer end(nil)
	d.print("Busbar demo: a site with all its parties in one process, over real TLS on loopback.\n\n")
	d.print("Site       %s, domain %s\n", d.site.Dir, d.site.Domain)
	if err := d.showAuthorities(); err != nil {
		return err
	}
	if err := d.startBroker(ctx, brokerCtx, end); err != nil {
		return err
	}
	if err := d.startIEDs(ctx, end); err != nil {
		return err
	}
	if err := d.tour(ctx); err != nil {
		return cause(ctx, err)
	}
	if o.SelfTest {
		if err := d.selftest(ctx); err != nil {
			return cause(ctx, err)
		}
	}
	if o.Once {
		return nil
	}
	d.invite()
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// cause prefers why a party of the demo ended over what came of it.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// demo is what is running.
type demo struct {
	out         io.Writer
	log         *slog.Logger
	auditFailed func(error)
	mms         bool
	site        *site.Site
	utility     *site.Site   // of the other domain, or nil
	meetHere    net.Listener // where the brokers listen for each other; nil where there is only one
	meetThere   net.Listener
	overTCP     net.Addr // where the first IED serves MMS
	broker      sync.WaitGroup
	ieds        sync.WaitGroup
	routed      routed
}

// makeSite makes the authorities, every party's certificates, and the SCL files.
func (d *demo) makeSite(dir string) error {
	var err error
	if d.site, err = site.Init(dir, Domain); err != nil {
		return err
	}
	for _, p := range plants {
		if err := d.issue(p.account); err != nil {
			return err
		}
	}
	for account, roles := range clients {
		if err := d.issue(account, roles...); err != nil {
			return err
		}
	}
	if err := os.CopyFS(d.site.Path(), files); err != nil {
		return err
	}
	scls, err := models.ReadDir("scl")
	if err != nil {
		return err
	}
	for _, f := range scls {
		text, err := models.ReadFile("scl/" + f.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(d.site.Path("scl", f.Name()), text, 0o644); err != nil {
			return err
		}
	}
	if d.mms {
		return errors.Join(d.settle(), d.settleMMS())
	}
	return d.settle()
}

// settle has commands in the site speak as ems, where they are not told otherwise.
func (d *demo) settle() error {
	f, err := os.OpenFile(d.site.Path(site.FileName), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "\nclient: %s\n", ems)
	return errors.Join(err, f.Close())
}

func (d *demo) issue(account string, roles ...string) error {
	j, err := d.site.Account(account)
	if err != nil {
		return err
	}
	return d.site.Issue(j, roles, "", false)
}

// startBroker serves until broker ends. If it ends by itself the demo ends.
func (d *demo) startBroker(ctx, broker context.Context, end context.CancelCauseFunc) error {
	label := "Broker"
	for _, b := range []struct {
		of   *site.Site
		meet net.Listener
	}{{d.site, d.meetHere}, {d.utility, d.meetThere}} {
		if b.of == nil {
			continue
		}
		ready := make(chan string, 1)
		d.broker.Go(func() { end(d.runBroker(broker, b.of, b.meet, ready)) })
		address, err := wait(ctx, ready)
		if err != nil {
			return err
		}
		if d.utility != nil {
			address += " of " + b.of.Domain
		}
		d.print("%-10s %s\n", label, address)
		label = ""
	}
	return nil
}

func (d *demo) runBroker(ctx context.Context, of *site.Site, meet net.Listener, ready chan<- string) error {
	events, err := of.Audit("broker", d.auditFailed)
	if err != nil {
		return err
	}
	defer events.Close()
	return of.RunBroker(ctx, site.BrokerOptions{
		Listen: "127.0.0.1:0", PeersListener: meet, Logger: d.log, Audit: events, Tap: d.routed.see,
		Ready: func(a net.Addr) { ready <- a.String() },
	})
}

// startIEDs brings the IEDs on line, one after the other. If one ends by itself the demo ends.
func (d *demo) startIEDs(ctx context.Context, end context.CancelCauseFunc) error {
	label := "IEDs"
	for _, p := range plants {
		ready := make(chan string, 1)
		d.ieds.Go(func() { end(d.runIED(ctx, p, ready)) })
		text, err := wait(ctx, ready)
		if err != nil {
			return err
		}
		d.print("%-10s %s\n", label, text)
		label = ""
	}
	return nil
}

func (d *demo) runIED(ctx context.Context, p plant, ready chan<- string) error {
	j, err := d.site.Account(p.account)
	if err != nil {
		return err
	}
	if j, err = site.IED(j); err != nil {
		return err
	}
	events, err := d.site.Audit("ied", d.auditFailed)
	if err != nil {
		return err
	}
	defer events.Close()
	return d.site.RunIED(ctx, site.IEDOptions{
		MMS:   d.listenMMS(p),
		Files: d.filesOf(p),
		Party: site.Party{JID: j, Logger: d.log, Audit: events},
		SCL:   d.site.Path("scl", p.file),
		Sim:   true, Latitude: latitude, Longitude: noon(time.Now()),
		Ready: func(r *site.RunningIED) {
			lns := 0
			for _, ld := range r.Model.LDs {
				lns += len(ld.LNs)
			}
			if r.MMS != nil {
				d.overTCP = r.MMS
			}
			ready <- fmt.Sprintf("%-26v %-5s of %-12s %d logical nodes, simulated", j, r.Model.IED, p.file, lns)
		},
	})
}

// filesOf is the folder of the files that an IED serves: the feeder has one.
func (d *demo) filesOf(p plant) string {
	if p.account != breakerIED {
		return ""
	}
	return d.site.Path("files")
}

// wait waits for a party to come on line.
func wait(ctx context.Context, ready <-chan string) (string, error) {
	select {
	case text := <-ready:
		return text, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-time.After(startTime):
		return "", fmt.Errorf("a party is not on line after %v", startTime)
	}
}

func (d *demo) print(format string, args ...any) { fmt.Fprintf(d.out, format, args...) }

// clientOf is the full address of a client's account of a site.
func clientOf(s *site.Site, account string) (jid.JID, error) {
	j, err := s.Account(account)
	if err != nil {
		return jid.JID{}, err
	}
	return site.ClientAddress(j)
}
