package testbed

import (
	"context"
	"sync"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/scsm/mmsmap"
)

// IED is a Party that serves. After Cut and Open the same engine is served; after Stop and Start another one.
type IED struct {
	*Party
	cfg   IEDConfig
	state string

	stop   func()         // ends what is served
	served sync.WaitGroup // associations, and the wait for them
	engine *server.Engine
	close  func() // of the engine; may be nil
}

// IEDConfig says what an IED serves. Model or Engine is needed, or Server.Services.
type IEDConfig struct {
	Model *acsi.Model
	// Engine makes what is served, anew at each Start: state is a folder of this IED, which stays. The Bed runs the engine; close,
	// which may be nil, is called when it has ended, and no association is left. nil: an engine of Model.
	Engine func(state string) (engine *server.Engine, close func(), err error)
	// Server says how peers are served. Services is the engine's where it is nil; Fault fails the test where it is nil.
	Server mmsmap.ServerConfig
	Ended  func(error) // hears how each association ended; may be nil
}

// IED serves a model under an account; it ends with the test.
func (b *Bed) IED(name string, model *acsi.Model) (*server.Engine, *Party) {
	b.t.Helper()
	ied := b.NewIED(name, IEDConfig{Model: model})
	return ied.engine, ied.Party
}

// NewIED serves what cfg says under an account; it ends with the test.
func (b *Bed) NewIED(name string, cfg IEDConfig) *IED {
	b.t.Helper()
	i := &IED{cfg: cfg}
	if cfg.Engine != nil {
		i.state = b.t.TempDir()
	}
	if i.cfg.Server.Fault == nil {
		i.cfg.Server.Fault = func(err error) { b.t.Errorf("fault of ours: %v", err) }
	}
	if i.cfg.Ended == nil {
		i.cfg.Ended = func(error) {}
	}
	i.Party = b.join(name, true, nil)
	i.serve()
	b.t.Cleanup(func() {
		i.Party.Close()
		i.end()
	})
	return i
}

// Engine is what is served since the last Start, nil where the test gives services.
func (i *IED) Engine() *server.Engine { return i.engine }

// Start takes an IED on line again after Stop, with a new engine.
func (i *IED) Start() {
	i.bed.t.Helper()
	i.Party.Open()
	i.serve()
}

// Stop cuts all connections without a word, and is done with the engine: what it has kept in its folder stays.
func (i *IED) Stop() {
	i.Party.Cut()
	i.end()
}

// end ends what is served, and the engine.
func (i *IED) end() {
	if i.stop == nil {
		return
	}
	i.stop()
	i.served.Wait()
	if i.close != nil {
		i.close()
	}
	i.stop, i.close, i.engine = nil, nil, nil
}

// serve makes an engine and answers every peer.
func (i *IED) serve() {
	i.bed.t.Helper()
	i.make()
	cfg := i.cfg.Server
	if cfg.Services == nil {
		cfg.Services = i.engine.Services
	}
	ctx, cancel := context.WithCancel(context.Background())
	i.stop = cancel
	if engine := i.engine; engine != nil {
		i.served.Go(func() { engine.Run(ctx) })
	}
	i.served.Go(func() {
		for {
			link, err := i.Accept(ctx)
			if err != nil {
				return
			}
			i.served.Go(func() { i.cfg.Ended(mmsmap.Serve(ctx, link, cfg)) })
		}
	})
}

// make makes the engine.
func (i *IED) make() {
	i.bed.t.Helper()
	var err error
	switch {
	case i.cfg.Engine != nil:
		i.engine, i.close, err = i.cfg.Engine(i.state)
	case i.cfg.Model != nil:
		i.engine, err = server.New(server.Config{Model: i.cfg.Model, Audit: &i.bed.Audit})
	}
	must(i.bed.t, err)
}
