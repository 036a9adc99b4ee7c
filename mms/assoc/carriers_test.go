package assoc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/value"
)

func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// couple is two parties and an association of theirs, both its ends in the test's hands.
type couple struct {
	ems, pv1       *testbed.Party
	client, server *assoc.Association
}

// meet has two parties associate over a carrier.
func meet(t *testing.T, o testbed.Options, ask, serve assoc.Config) *couple {
	t.Helper()
	bed := testbed.Start(t, o)
	c := &couple{ems: bed.Party("ems"), pv1: bed.Party("pv1")}
	c.client, c.server = c.again(t, ask, serve)
	return c
}

// again makes another association of the two.
func (c *couple) again(t *testing.T, ask, serve assoc.Config) (client, server *assoc.Association) {
	t.Helper()
	accepted := make(chan error, 1)
	go func() {
		link, err := c.pv1.Accept(timeout(t))
		if err == nil {
			server, err = assoc.Accept(timeout(t), link, serve, func(*assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
				return serve.Handler, mms.Services(mms.ServiceRead), nil
			})
		}
		accepted <- err
	}()
	link, err := c.ems.Link("pv1")
	if err == nil {
		client, err = assoc.Initiate(timeout(t), link, ask)
	}
	if err := errors.Join(err, <-accepted); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Abort(); server.Abort() })
	return client, server
}

// How an association ends over each carrier: both ends learn of it and whether it was in order, calls that are open have no answer and
// are said to be of unknown outcome, and what is asked afterwards is refused. IEC 61850-7-2, Release and Abort.
func TestEndsOverEveryCarrier(t *testing.T) {
	const here = "association aborted here"
	for _, tc := range []struct {
		name           string
		end            func(t *testing.T, c *couple)
		client, server string // how the text begins that says why; "" for in order, "…" for the carrier's words
	}{
		{"the client concludes", func(t *testing.T, c *couple) {
			if err := c.client.Conclude(timeout(t)); err != nil {
				t.Errorf("conclude: %v", err)
			}
		}, "", ""},
		{"the server concludes", func(t *testing.T, c *couple) {
			if err := c.server.Conclude(timeout(t)); err != nil {
				t.Errorf("conclude: %v", err)
			}
		}, "", ""},
		{"the client aborts", func(_ *testing.T, c *couple) { c.client.Abort() }, here, "…"},
		{"the server aborts", func(_ *testing.T, c *couple) { c.server.Abort() }, "…", here},
		{"the client closes all", func(_ *testing.T, c *couple) { c.ems.Close() }, "association closed here", "…"},
		{"the server closes all", func(_ *testing.T, c *couple) { c.pv1.Close() }, "…", "association closed here"},
		{"the client's link is lost", func(_ *testing.T, c *couple) { c.ems.Cut() }, "…", "…"},
		{"the server's link is lost", func(_ *testing.T, c *couple) { c.pv1.Cut() }, "…", "…"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			testbed.InMemory(t, func(t *testing.T, o testbed.Options) { end(t, o, tc.end, tc.client, tc.server) })
		})
	}
}

func end(t *testing.T, o testbed.Options, how func(*testing.T, *couple), clientsWhy, serversWhy string) {
	entered := make(chan struct{}, 2)
	waits := func(ctx context.Context, _ mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c := meet(t, o, assoc.Config{Handler: waits}, assoc.Config{Handler: waits})
	open := make(chan error, 2)
	for _, a := range []*assoc.Association{c.client, c.server} {
		go func() {
			_, err := a.Call(timeout(t), read("x"))
			open <- err
		}()
		<-entered // the client's first: the server's would wait for it
	}
	how(t, c)
	for _, side := range []struct {
		name string
		a    *assoc.Association
		want string
	}{{"client", c.client, clientsWhy}, {"server", c.server, serversWhy}} {
		select {
		case <-side.a.Done():
		case <-timeout(t).Done():
			t.Fatalf("the %s's association goes on", side.name)
		}
		err := side.a.Err()
		switch {
		case side.want == "" && err != nil, side.want != "" && !errors.Is(err, net.ErrClosed):
			t.Errorf("the %s's end: %v, want %q", side.name, err, side.want)
		case side.want != "" && side.want != "…" && !strings.HasPrefix(err.Error(), side.want):
			t.Errorf("the %s's end: %v, want %q", side.name, err, side.want)
		}
		if _, err := side.a.Call(timeout(t), read("y")); !errors.Is(err, net.ErrClosed) || errors.Is(err, assoc.ErrNoAnswer) {
			t.Errorf("a call of the %s after the end: %v", side.name, err)
		}
	}
	for range 2 {
		if err := <-open; !errors.Is(err, assoc.ErrNoAnswer) {
			t.Errorf("a call that was open ends with %v, want that its outcome is unknown", err)
		}
	}
}

// Several associations of one pair of parties end by themselves.
func TestAssociationsOfOnePairEndByThemselves(t *testing.T) {
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		c := meet(t, o, assoc.Config{}, assoc.Config{Handler: echo})
		clients, servers := []*assoc.Association{c.client}, []*assoc.Association{c.server}
		ask := func(i int) {
			t.Helper()
			want := fmt.Sprintf("i%d", i)
			if got, err := clients[i].Call(timeout(t), read(want)); err != nil || text(got) != want {
				t.Fatalf("association %d answers %v %v", i, got, err)
			}
		}
		ask(0)
		const n = 12
		for i := 1; i < n; i++ {
			a, b := c.again(t, assoc.Config{}, assoc.Config{Handler: echo})
			clients, servers = append(clients, a), append(servers, b)
			ask(i)
		}
		for i := range n {
			switch i % 3 {
			case 0:
				if err := clients[i].Conclude(timeout(t)); err != nil {
					t.Errorf("conclude %d: %v", i, err)
				}
			case 1:
				clients[i].Abort()
			case 2:
				servers[i].Abort()
			}
			<-clients[i].Done()
			<-servers[i].Done()
			if i+1 < n { // each is asked once more before it ends itself
				ask(i + 1)
			}
		}
	})
}

// Both ends call each other on one association with all calls open that were agreed on, and the handlers of both call back.
func TestCallsInBothDirections(t *testing.T) {
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		var c *couple
		ready := make(chan struct{})
		back := func(self func() *assoc.Association) assoc.Handler {
			return func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
				<-ready
				if item := nameOf(r); item[0] != 'b' {
					return self().Call(ctx, read("b"+item))
				}
				return echo(ctx, r)
			}
		}
		c = meet(t, o, assoc.Config{Handler: back(func() *assoc.Association { return c.client })},
			assoc.Config{Handler: back(func() *assoc.Association { return c.server })})
		close(ready)
		var calls sync.WaitGroup
		for _, a := range []*assoc.Association{c.client, c.server} {
			for i := range 16 {
				calls.Go(func() {
					for j := range 2 {
						item := fmt.Sprintf("a%d.%d", i, j)
						got, err := a.Call(timeout(t), read(item))
						if err != nil || text(got) != "b"+item {
							t.Errorf("%s is answered with %v %v", item, got, err)
							return
						}
					}
				})
			}
		}
		calls.Wait()
	})
}

// More than a thousand calls are under way at once on one association; all are answered, though they are more than
// the queues of the carrier hold.
func TestThousandCallsAtOnce(t *testing.T) {
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		cfg := assoc.Config{Outstanding: 1000, Handler: echo}
		c := meet(t, o, cfg, cfg)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		var calls sync.WaitGroup
		n := 1200
		if testbed.RaceEnabled && (o.Mode == testbed.Clear || o.Mode == testbed.Off) {
			n = 300 // the window and the queues are the same code in all modes of one carrier
		}
		for i := range n {
			calls.Go(func() {
				item := fmt.Sprintf("i%d", i)
				got, err := c.client.Call(ctx, read(item))
				if err != nil || text(got) != item {
					t.Errorf("%s is answered with %v %v", item, got, err)
				}
			})
		}
		calls.Wait()
	})
}

// A PDU that is over the size which both ends agreed on is refused alone, in each direction, and the association goes on.
// ISO 9506-2, Initiate.
func TestPDUsThatAreTooLong(t *testing.T) {
	long := strings.Repeat("X", 30000)
	handler := func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		if nameOf(r) == "long" {
			return answer(value.Visible(long)), nil
		}
		return echo(ctx, r)
	}
	for _, tc := range []struct {
		name       string
		ask, serve int // MaxPDU of the associations
	}{
		{"the client's MMS", assoc.MinPDU, 0},
		{"the server's MMS", 0, assoc.MinPDU},
	} {
		t.Run(tc.name, func(t *testing.T) {
			testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
				c := meet(t, o, assoc.Config{MaxPDU: tc.ask}, assoc.Config{MaxPDU: tc.serve, Handler: handler})
				if client, server := c.client.Parameters().MaxPDU, c.server.Parameters().MaxPDU; client != assoc.MinPDU || server != assoc.MinPDU {
					t.Errorf("agreed on %d octets and %d", client, server)
				}
				var size *assoc.SizeError
				if _, err := c.client.Call(timeout(t), read(long)); !errors.As(err, &size) || size.Limit != assoc.MinPDU {
					t.Errorf("a request that is too long: %v", err)
				}
				if _, err := c.client.Call(timeout(t), read("long")); !errors.Is(err, &assoc.ServiceError{Class: mms.ServicePDUSize}) {
					t.Errorf("an answer that is too long: %v", err)
				}
				if got, err := c.client.Call(timeout(t), read("short")); err != nil || text(got) != "short" {
					t.Errorf("afterwards: %v %v", got, err)
				}
			})
		})
	}
}

// The longest PDU that was agreed on passes, both ways, whatever protection and segmentation make of it, and none that is longer.
func TestPDUsOfTheLengthAgreedOn(t *testing.T) {
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		c := meet(t, o, assoc.Config{MaxPDU: 1 << 30}, assoc.Config{MaxPDU: 1 << 30, Handler: echo})
		limit := c.client.Parameters().MaxPDU
		request := func(octets int) *mms.ReadRequest {
			item := "X"
			for n := lengthOf(t, o.Mode, read(item)); n < octets; n = lengthOf(t, o.Mode, read(item)) {
				item += strings.Repeat("X", max(1, octets-n-16))
			}
			return read(item)
		}
		longest := request(limit)
		if got, err := c.client.Call(timeout(t), longest); err != nil || text(got) != nameOf(longest) {
			t.Errorf("a PDU of %d octets: %v", limit, err)
		}
		var size *assoc.SizeError
		if _, err := c.client.Call(timeout(t), request(limit+1)); !errors.As(err, &size) || size.Limit != limit {
			t.Errorf("a PDU of %d octets: got %v, want that it is refused", limit+1, err)
		}
	})
}

// lengthOf is how long the PDU of a request is as a carrier has it.
func lengthOf(t *testing.T, m testbed.Mode, r *mms.ReadRequest) int {
	t.Helper()
	encode := mms.AppendXER
	if m.OverTCP() {
		encode = mms.AppendBER
	}
	b, err := encode(nil, &mms.ConfirmedRequest{InvokeID: 1, Service: r})
	if err != nil {
		t.Fatal(err)
	}
	return len(b)
}
