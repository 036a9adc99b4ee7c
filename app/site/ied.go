package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/acsi/server"
	"busbar.example/mms/assoc"
	"busbar.example/process/sim"
	"busbar.example/scsm/iso81"
	"busbar.example/scsm/mmsmap"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/audit"
	"busbar.example/secure/e2e"
	"busbar.example/secure/pki"
)

// IEDOptions says how to run one IED of the site.
type IEDOptions struct {
	Party
	SCL  string // file that describes it
	Name string // IED in that file; may be left out where there is only one
	AP   string // access point; may be left out where only one has a Server
	Sim  bool   // move its values plausibly
	// Process is what has its values and decides on its commands: exec:PROGRAM and arguments, separated by spaces, or sunspec:FILE, a
	// mapping of a SunSpec device. It has no Sim then.
	Process string
	Control server.ControlHandler // decides on its commands where there is no Process; nil: the simulation, or every one is accepted
	SNTP    []string              // time servers, HOST or HOST:PORT, by which it goes; none: its clock is the host's
	Files   string                // folder of the files that it serves; "": none
	State   string                // file of what outlives it; "": state/JID.db of the site, or state/NAME.db; NoState: nothing
	Ready   func(*RunningIED)     // called once it is on line

	// Wait has it go on where the broker does not take it the first time. Default: that is an error.
	Wait bool
	Down func(Outage)              // optional: told when the session with the broker is lost, and of each try in vain to have another
	Up   func(after time.Duration) // optional: told when it is on line again

	MMS ListenMMS // serve IEC 61850-8-1 too; without a JID, only that

	Refresh time.Duration // how often revocation lists are read again; default 1 minute

	Seed                uint64  // of what chance decides in the simulation
	Latitude, Longitude float64 // where its sun shines, in degrees to the north and east
}

// RunningIED describes an IED that is on line.
type RunningIED struct {
	Model    *acsi.Model
	Findings []scl.Finding // what in the SCL file is wrong or was left out
	Engine   *server.Engine
	MMS      net.Addr // where MMS over TCP is served, or nil
}

// RunIED serves an IED until ctx ends. What is under way then is completed, and what is to outlive the IED is kept. When its XMPP session
// is lost it comes back by itself, with the keys and certificates that it then finds; it ends when another process has taken its address.
func (s *Site) RunIED(ctx context.Context, o IEDOptions) (err error) {
	model, findings, err := loadModel(o.SCL, o.Name, o.AP)
	if err != nil {
		return err
	}
	o.Logger, o.Audit = cmp.Or(o.Logger, silent), cmp.Or(o.Audit, audit.Discard)
	process, err := processOf(o.Process, o.Logger)
	if err != nil {
		return err
	}
	clock, err := clockOf(o.SNTP, o.Logger)
	if err != nil {
		return err
	}
	files, err := openFiles(o.Files)
	if err != nil {
		return err
	}
	if files != nil {
		defer files.Close()
	}
	cfg := server.Config{Model: model, Audit: stateKeeper{o.Audit, o.Logger}, Now: clock.now, TimeQuality: clock.quality, Files: files, Control: o.Control}
	s.Config.IED.limit(&cfg)
	var simulation *sim.Simulation // made of the engine, before there is anybody to command it
	if o.Sim && cfg.Control == nil {
		cfg.Control = func(ctx context.Context, c server.Command) acsi.AddCause { return simulation.Control(ctx, c) }
	}
	if process != nil {
		cfg.Control = process.Control
	}
	state, err := s.openState(ctx, o, model)
	if err != nil {
		return err
	}
	if state != nil {
		defer func() { err = errors.Join(err, state.Close()) }()
		cfg.State = state
	}
	engine, err := server.New(cfg)
	if err != nil {
		return fmt.Errorf("%s: %w", o.SCL, err)
	}
	if process != nil {
		if err := process.Attach(engine); err != nil {
			return err
		}
	}
	defer runEngine(ctx, engine, o.Logger)()
	ied := &servedIED{site: s, IEDOptions: o, RunningIED: RunningIED{Model: model, Findings: findings, Engine: engine}}
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		ied.close()
	}()
	ied.running.Go(func() { clock.run(ctx, o.Audit, engine) })
	clock.awaitTime(ctx)
	if process != nil {
		ied.running.Go(func() { process.Run(ctx) })
	}
	if o.Sim {
		simulation, err = sim.New(sim.Config{Engine: engine, Seed: o.Seed, Latitude: o.Latitude, Longitude: o.Longitude})
		if err != nil {
			return fmt.Errorf("%s: %w", o.SCL, err)
		}
		ied.running.Go(func() { simulate(ctx, simulation, o.Logger) })
	}
	if o.MMS.Address != "" {
		if err := ied.overTCP(ctx); err != nil {
			return err
		}
	}
	if o.JID.IsZero() {
		ied.ready()
		<-ctx.Done()
		return nil
	}
	return ied.overXMPP(ctx)
}

// runEngine runs an engine until stop is called, which returns once all is kept: it outlives what uses it.
func runEngine(ctx context.Context, engine *server.Engine, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { engine.Run(ctx) })
	running.Go(func() { watchReports(ctx, engine, log) })
	return func() {
		cancel()
		running.Wait()
	}
}

// servedIED is an IED that is on line, or about to be.
type servedIED struct {
	RunningIED
	IEDOptions
	site    *Site
	tcp     *iso81.Listener
	running sync.WaitGroup
}

func (d *servedIED) ready() {
	notify("READY=1")
	if d.Ready != nil {
		d.Ready(&d.RunningIED)
	}
}

// close ends what is served, once the context of all has ended.
func (d *servedIED) close() {
	if d.tcp != nil {
		d.tcp.Close()
	}
	d.running.Wait()
}

// overXMPP serves IEC 61850-8-2 until ctx ends, in one session after the other.
func (d *servedIED) overXMPP(ctx context.Context) error {
	d.replay, d.refresh = new(e2e.ReplayCache), d.Refresh
	been := false
	again := Redial{Persist: d.Wait, Again: func(error) bool { return been }, Down: d.Down, Up: d.Up}
	return again.Run(ctx, func(ctx context.Context, up func()) error {
		return d.session(ctx, func() {
			if !been {
				been = true
				d.ready()
			}
			up()
		})
	})
}

// session serves IEC 61850-8-2 until ctx ends or the session does, which is an error. Associations do not outlive it.
func (d *servedIED) session(ctx context.Context, up func()) error {
	trust, err := d.site.endTrust()
	if err != nil {
		return err
	}
	endpoint, err := d.site.endpoint(ctx, d.Party, trust, d.site.Config.IED.associationsOf(d.Model))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		endpoint.Close()
	}()
	if err := endpoint.Announce(ctx); err != nil {
		return err
	}
	up()
	for {
		link, err := endpoint.Accept(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%v: the XMPP session has ended: %w", d.JID, cmp.Or(endpoint.Session().Err(), err))
		}
		d.running.Go(func() { d.serve(ctx, link, mmsmap.ServerConfig{Association: d.site.associations()}) })
	}
}

// overTCP begins to serve IEC 61850-8-1.
func (d *servedIED) overTCP(ctx context.Context) error {
	l, trust, id, err := d.site.listenMMS(ctx, d.IEDOptions)
	if err != nil {
		return err
	}
	d.tcp, d.RunningIED.MMS = l, l.Addr()
	admit := admission(d.site.Config.IED.associationsOf(d.Model))
	d.running.Go(func() { d.keepListener(ctx, l, trust, id) })
	d.running.Go(func() {
		for {
			link, err := l.Accept(ctx)
			if err != nil {
				return
			}
			d.running.Go(func() {
				d.serve(ctx, link, mmsmap.ServerConfig{Association: d.site.mmsAssociations(d.IEDOptions.MMS.Strict), Admit: admit})
			})
		}
	})
	return nil
}

// associations is what a party here offers its peers over XMPP.
func (s *Site) associations() assoc.Config {
	return assoc.Config{MaxPDU: s.Config.MaxPDU, Services: mmsmap.ExtendedNames}
}

// serve answers one peer until its association ends.
func (d *servedIED) serve(ctx context.Context, link assoc.Link, cfg mmsmap.ServerConfig) {
	cfg.Services, cfg.Identity = d.Engine.Services, identityOf(d.Engine)
	cfg.Fault = func(err error) { d.Logger.Error("service failed", "peer", link.Peer().Name, "err", err) }
	err := mmsmap.Serve(ctx, link, cfg)
	switch {
	case errors.Is(err, assoc.ErrNoRoom):
		d.Logger.Warn("a client is refused: there are as many as there may be", "peer", link.Peer().Name, "hint", noRoomHint)
	case err != nil:
		d.Logger.Debug("association ended", "peer", link.Peer().Name, "err", err)
	}
}

// simulate steps a simulation whenever it is due.
func simulate(ctx context.Context, simulation *sim.Simulation, log *slog.Logger) {
	for {
		if err := simulation.Step(time.Now()); err != nil {
			log.Error("simulation stops", "err", err)
			return
		}
		wait := time.NewTimer(time.Until(simulation.Next()))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// loadModel reads one IED out of an SCL file. The findings say what is wrong with the file and did not
// keep the IED from being served.
func loadModel(file, ied, ap string) (*acsi.Model, []scl.Finding, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, Hint(err, "give the path of an ICD, CID, IID or SCD file with --scl")
	}
	defer f.Close()
	doc, err := scl.Parse(f)
	if err != nil {
		return nil, nil, aboutFile(err, file)
	}
	model, findings, err := doc.Model(ied, ap)
	if err != nil {
		return nil, findings, aboutFile(err, file)
	}
	return model, findings, nil
}

// aboutFile names the file in an error of reading it, and takes the hint out of its text.
func aboutFile(err error, file string) error {
	found, ok := errors.AsType[*scl.Error](err)
	if !ok {
		return fmt.Errorf("%s: %w", file, err)
	}
	plain := *found
	plain.File, plain.Hint = file, ""
	hint := cmp.Or(found.Hint, "give an ICD, CID, IID or SCD file with --scl")
	switch choose := strings.HasPrefix(hint, "choose one of "); {
	case choose && found.Element == "":
		hint += ", with --ied NAME"
	case choose:
		hint += ", with --ap NAME"
	}
	return Hint(&plain, hint)
}

// Client is an association with an IED, and what is below it: an XMPP session, or a TCP connection.
type Client struct {
	*mmsmap.Client
	Link     *xmpp82.Association // with Endpoint, or nil
	Endpoint *xmpp82.Endpoint
	MMS      *iso81.Association // or nil

	another func(context.Context) (*mmsmap.Client, error)
}

// Associate makes another association with the same IED: on the same XMPP session, or on a TCP connection of its own.
func (c *Client) Associate(ctx context.Context) (*mmsmap.Client, error) { return c.another(ctx) }

// Dial connects a party to the broker and associates it with the IED at to.
func (s *Site) Dial(ctx context.Context, p Party, to string) (*Client, error) {
	ied, err := s.Peer(to)
	if err != nil {
		return nil, err
	}
	if ied, err = IED(ied); err != nil {
		return nil, err
	}
	if p.JID, err = s.dialler(p.JID); err != nil {
		return nil, err
	}
	trust, err := s.endTrust()
	if err != nil {
		return nil, err
	}
	endpoint, err := s.endpoint(ctx, p, trust, 0)
	if err != nil {
		return nil, err
	}
	if err := endpoint.Announce(ctx); err != nil {
		endpoint.Close()
		return nil, err
	}
	link, err := endpoint.Associate(ied)
	if err != nil {
		endpoint.Close()
		return nil, err
	}
	client, err := mmsmap.Associate(ctx, link, s.associations())
	if err != nil {
		endpoint.Close()
		if _, absent := errors.AsType[*xmpp82.UnreachableError](err); absent {
			return nil, err // it names the IED
		}
		return nil, fmt.Errorf("associate with %v: %w", ied, err)
	}
	if info, ok := link.Info(); ok && p.Logger != nil {
		p.Logger.Debug("associated", "ied", ied, "association", info.AssoID, "E2E", info.Protection, "peer", pki.Name(info.Peer))
	}
	another := func(ctx context.Context) (*mmsmap.Client, error) {
		link, err := endpoint.Associate(ied)
		if err != nil {
			return nil, err
		}
		return mmsmap.Associate(ctx, link, s.associations())
	}
	go keepAlive(client)
	return &Client{Client: client, Link: link, Endpoint: endpoint, another: another}, nil
}

// Close releases the association and ends the session.
func (c *Client) Close(ctx context.Context) error {
	err := c.Release(ctx)
	if c.Endpoint != nil {
		err = errors.Join(err, c.Endpoint.Close())
	}
	return err
}
