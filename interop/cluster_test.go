//go:build interop

package interop_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/acsi/server"
	"busbar.example/app/site"
	"busbar.example/internal/foreign"
	"busbar.example/value"
)

// comesBack is how soon after the loss of a node reports flow again.
const comesBack = 10 * time.Second

// The client is at one node of a cluster and the IED at the other, until one of the nodes dies: both are associated again through the
// node that is left, the reports go on where they were, and no command is carried out twice.
//
// XEP-0198; IEC 61850-8-2, association loss
func TestLossOfANodeOfACluster(t *testing.T) {
	for _, tt := range []struct {
		name string
		dies int
	}{{"of the client", 0}, {"of the IED", 1}} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			a := newAbroad(t)
			nodes := a.cluster()
			carried := new(commands)
			ied := a.ied("fdr1", site.IEDOptions{Control: carried.take, Party: site.Party{Connect: nodes[1].Clients + "," + nodes[0].Clients}})
			carried.begin(ied)
			meter := newCounter(t, ied)
			w := &watch{abroad: a, news: make(chan struct{}, 1)}
			var working sync.WaitGroup
			defer working.Wait()
			ctx, end := context.WithCancel(ctx)
			defer end()
			start := meter.value
			working.Go(func() { // as long as the test lasts, the process does not wait for anybody
				for ctx.Err() == nil {
					meter.count(1)
					time.Sleep(10 * time.Millisecond)
				}
			})
			working.Go(func() { w.run(ctx) })

			w.await(ctx, start+100)
			nodes[tt.dies].Kill()
			killed, reached := time.Now(), w.at()
			w.await(ctx, reached+200) // more than were on their way
			if took := time.Since(killed); took > comesBack {
				t.Errorf("reports flow again after %v, want at most %v", took, comesBack)
			}
			end()
			working.Wait()
			carried.check(t, w.done)
			t.Logf("associated %d times; %d commands given, %d carried out, %d said to be done; the meter at %d", w.times, w.operated, len(carried.carried), w.done, w.last)
		})
	}
}

// cluster serves the site at two nodes.
func (a *abroad) cluster() []*foreign.Server {
	a.Helper()
	nodes, err := foreign.StartEjabberdCluster(a.options())
	if err != nil {
		started(a, nil, err)
	}
	for _, n := range nodes {
		started(a, n, nil)
	}
	a.connect("", nodes...)
	return nodes
}

// watch is a client that follows the meter and operates the breaker, and comes back when its association is lost.
type watch struct {
	*abroad
	follower
	operated int // commands that it has given
	done     int // of which the IED has said that they are done
	times    int // that it has associated

	mu   sync.Mutex
	seen int64         // what the meter stood at
	news chan struct{} // that seen is another
}

// run stays associated until ctx ends.
func (w *watch) run(ctx context.Context) {
	if err := (site.Redial{}).Run(ctx, w.attempt); err != nil {
		w.Error(err)
	}
}

// attempt is one association, from its beginning to its end.
func (w *watch) attempt(ctx context.Context, up func()) error {
	c, err := w.site.Dial(ctx, site.Party{}, "fdr1")
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	peer := client.New(c)
	reports, err := w.subscribe(ctx, peer)
	if err != nil {
		return err
	}
	up()
	w.times++
	ctx, cancel := context.WithCancel(ctx)
	operating := make(chan struct{})
	go func() {
		defer close(operating)
		w.operate(ctx, peer)
	}()
	defer func() {
		cancel()
		<-operating
	}()
	for u, err := range reports.Updates(ctx) {
		if err != nil {
			return err
		}
		if err := w.take(u); err != nil {
			w.Error(err)
		}
		w.mu.Lock()
		w.seen = w.last
		w.mu.Unlock()
		select {
		case w.news <- struct{}{}:
		default:
		}
	}
	return ctx.Err()
}

// operate gives one command after the other, each with a number of its own, until one fails.
func (w *watch) operate(ctx context.Context, peer *client.Client) {
	ctl, err := peer.Control(ctx, acsi.MustRef("FDR1LD0/CSWI1.Pos"))
	for err == nil && ctx.Err() == nil {
		w.operated++
		closed, found := w.position(ctx, peer)
		if !found {
			return
		}
		err = ctl.Operate(ctx, value.Bool(!closed), client.Operation{Origin: acsi.Origin{Cat: acsi.OrRemoteControl, Ident: strconv.Itoa(w.operated)}})
		if err == nil {
			w.done++
		}
	}
	if refused, is := errors.AsType[*client.ControlError](err); is && ctx.Err() == nil && refused.Cause != 0 {
		w.Errorf("command %d: %v", w.operated, err)
	}
}

// position says whether the breaker is closed; found is false where nobody knows.
func (w *watch) position(ctx context.Context, peer *client.Client) (closed, found bool) {
	got, err := peer.Read(ctx, acsi.MustRef("FDR1LD0/CSWI1.Pos.stVal[ST]"))
	if err != nil || got[0].Err != nil {
		return false, false
	}
	return got[0].Value.Bit(0), true // off is 01, on is 10
}

// at returns what the meter stood at last.
func (w *watch) at() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// await waits until the meter stands at n or more.
func (w *watch) await(ctx context.Context, n int64) {
	w.Helper()
	for w.at() < n {
		select {
		case <-w.news:
		case <-ctx.Done():
			w.Fatalf("the meter stands at %d, want %d", w.at(), n)
		}
	}
}

// commands are what an IED has carried out, by their numbers.
type commands struct {
	mu      sync.Mutex
	engine  *server.Engine
	carried []string
}

func (c *commands) begin(ied *site.RunningIED) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engine = ied.Engine
}

// take is the process: it carries out what it is told.
func (c *commands) take(_ context.Context, command server.Command) acsi.AddCause {
	c.mu.Lock()
	defer c.mu.Unlock()
	if command.Phase != server.Executing {
		return acsi.Done
	}
	c.carried = append(c.carried, command.Origin.Ident)
	return c.engine.Obey(command)
}

// check fails where a command was carried out twice, or in another order than given, or less were than the client has been told.
func (c *commands) check(t *testing.T, done int) {
	t.Helper()
	last := 0
	for _, ident := range c.carried {
		n, err := strconv.Atoi(ident)
		if err != nil || n <= last {
			t.Errorf("command %q is carried out after %d", ident, last)
		}
		last = n
	}
	if len(c.carried) < done || done == 0 {
		t.Errorf("%d commands were carried out, and %d said to be done", len(c.carried), done)
	}
}
