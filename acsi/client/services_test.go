package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/acsi/server"
	"busbar.example/internal/testbed"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

const fdr = "FDR1LD0"

// bay is the demo's feeder bay, served on a bed of some mode.
type bay struct {
	*testing.T
	bed *testbed.Bed
	ied *testbed.IED
	ctx context.Context
}

// inBay runs test with a feeder bay in every mode. configure may add to what the engine is made of.
func inBay(t *testing.T, configure func(t *testing.T, cfg *server.Config), test func(b *bay)) {
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		b := &bay{T: t, bed: testbed.Start(t, o), ctx: ctx}
		b.ied = b.bed.NewIED("fdr1", testbed.IEDConfig{Engine: func(string) (*server.Engine, func(), error) {
			cfg := server.Config{Model: testbed.Model(t, "../../app/demo/scl/feeder.cid"), Audit: &b.bed.Audit}
			if configure != nil {
				configure(t, &cfg)
			}
			e, err := server.New(cfg)
			return e, nil, err
		}})
		test(b)
	})
}

// as is a client with the given roles.
func (b *bay) as(name string, roles ...rbac.Role) *client.Client {
	b.Helper()
	return client.New(b.bed.Associate(name, "fdr1", roles...))
}

// update is what the process tells: pairs of a leaf and its value.
func (b *bay) update(pairs ...any) {
	b.Helper()
	e := b.ied.Engine()
	e.Update(func(tx *server.Tx) {
		for i := 0; i < len(pairs); i += 2 {
			h, err := e.Handle(acsi.MustRef(fdr + "/" + pairs[i].(string)))
			if err == nil {
				err = tx.Set(h, pairs[i+1].(value.Value))
			}
			if err != nil {
				b.Error(err)
			}
		}
	})
}

// must ends the test where err is not nil.
func (b *bay) must(what string, err error) {
	b.Helper()
	if err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}

// refused reports an error where err is not an *acsi.Error of that code, said by the IED.
func (b *bay) refused(what string, err error, code acsi.Code) {
	b.Helper()
	if e, ok := errors.AsType[*acsi.Error](err); !ok || e.Code != code || !e.Remote {
		b.Errorf("%s: got %v, want %v of the IED", what, err, code)
	}
}

// IEC 61850-7-2, 13.
//
// Conformance: cDs.
func TestDataSetsOverEveryCarrier(t *testing.T) {
	inBay(t, nil, func(b *bay) {
		c := b.as("ems", rbac.Engineer)
		sets, err := c.DataSets(b.ctx, acsi.MustRef(fdr+"/LLN0"))
		if want := refsOf("LLN0.Energy", "LLN0.Measurements", "LLN0.Protection", "LLN0.Switching", "LLN0.Tracking"); err != nil || !slices.Equal(sets, want) {
			b.Errorf("got %v %v, want %v", sets, err, want)
		}
		members := refsOf("LLN0.NamPlt.d[DC]", "MMXU1.TotW[MX]", "LLN0.Beh.stVal[ST]")
		for _, ref := range []acsi.Ref{acsi.MustRef(fdr + "/LLN0.made"), acsi.MustRef("@made")} {
			for range 2 { // and the same once more
				b.must("create", c.CreateDataSet(b.ctx, ref, members...))
				b.refused("create it twice", c.CreateDataSet(b.ctx, ref, members...), acsi.ObjectAttributeInconsistent)
				set, err := c.DataSet(b.ctx, ref)
				if err != nil || !slices.Equal(set.Members, members) || set.Fixed {
					b.Errorf("%v: got %+v %v", ref, set, err)
				}
				errs, err := c.SetDataSet(b.ctx, ref, []value.Value{value.Visible("bay 7"), value.Int(0), value.Int(1)})
				if err != nil || errs[0] != nil || errs[1] == nil || errs[2] == nil {
					b.Errorf("set: got %v %v, want the first only to be written", errs, err)
				}
				got, err := c.ReadDataSet(b.ctx, ref)
				if err != nil || len(got) != 3 || got[0].Value.Text() != "bay 7" || got[1].Err != nil || got[1].Quality == nil {
					b.Errorf("read: got %+v %v", got, err)
				}
				b.must("delete", c.DeleteDataSet(b.ctx, ref))
				b.refused("delete it twice", c.DeleteDataSet(b.ctx, ref), acsi.ObjectNonExistent)
			}
		}
		raw := b.bed.Associate("other", "fdr1", rbac.Engineer) // asks without a look at the model
		b.refused("create with what is not there", raw.CreateDataSet(b.ctx, acsi.MustRef("@x"), refsOf("LLN0.Beh[ST]", "LLN0.Nothing[ST]")), acsi.ObjectNonExistent)
		b.refused("create where nothing is", raw.CreateDataSet(b.ctx, acsi.MustRef(fdr+"/NONE1.x"), members), acsi.ObjectNonExistent)
		b.refused("delete a fixed one", raw.DeleteDataSet(b.ctx, acsi.MustRef(fdr+"/LLN0.Energy")), acsi.ObjectAccessDenied)
		b.must("create", c.CreateDataSet(b.ctx, acsi.MustRef("@own"), members...))
		_, err = raw.GetDataSetDirectory(b.ctx, acsi.MustRef("@own"))
		b.refused("look at what belongs to another", err, acsi.ObjectNonExistent)
	})
}

// What a control block reports cannot be deleted.
//
// Conformance: cDs, sDsN12.
func TestDataSetInUseOverEveryCarrier(t *testing.T) {
	inBay(t, nil, func(b *bay) {
		c := b.bed.Associate("ems", "fdr1", rbac.Engineer)
		ref := acsi.MustRef(fdr + "/LLN0.made")
		b.must("create", c.CreateDataSet(b.ctx, ref, refsOf("LLN0.Beh[ST]")))
		use := func(name string) {
			errs, err := c.SetDataValues(b.ctx, []acsi.Assignment{{Ref: acsi.MustRef(fdr + "/LLN0.urcbMeasurements01.DatSet[RP]"), Value: value.Visible(name)}})
			if err == nil {
				err = errs[0]
			}
			b.must("DatSet="+name, err)
		}
		use(ref.MMS())
		b.refused("delete", c.DeleteDataSet(b.ctx, ref), acsi.TemporarilyUnavailable)
		use(fdr + "/LLN0$Measurements")
		b.must("delete", c.DeleteDataSet(b.ctx, ref))
	})
}

// refsOf are references in the bay.
func refsOf(names ...string) []acsi.Ref {
	refs := make([]acsi.Ref, len(names))
	for i, name := range names {
		refs[i] = acsi.MustRef(fdr + "/" + name)
	}
	return refs
}

// updates are the updates of a subscription, one by one.
type updates struct {
	*bay
	*client.Subscription
	next func() (client.Update, error, bool)
}

func (b *bay) subscribe(c *client.Client, ref string, cfg client.SubscribeConfig) *updates {
	b.Helper()
	s, err := c.Subscribe(b.ctx, acsi.MustRef(fdr+"/"+ref), cfg)
	b.must("subscribe", err)
	next, stop := iter.Pull2(s.Updates(b.ctx))
	b.Cleanup(stop)
	return &updates{b, s, next}
}

// values are what the next update tells, a member a word: its path in the logical device and stVal, or the like, of it.
func (u *updates) values() string {
	u.Helper()
	update, err, ok := u.next()
	if !ok || err != nil {
		u.Fatalf("no update: %v", err)
	}
	var words []string
	for _, v := range update.Values {
		if v.Err != nil {
			u.Errorf("%v: %v", v.Ref, v.Err)
			continue
		}
		words = append(words, fmt.Sprintf("%s=%v(%v)", strings.TrimPrefix(v.Ref.Path(), fdr+"/"), leafOf(v.Node, v.Value), v.Reason))
	}
	if update.Missed > 0 || update.Overflow {
		words = append(words, fmt.Sprintf("missed=%d overflow=%t", update.Missed, update.Overflow))
	}
	return strings.Join(words, " ")
}

// leafOf is the value that a status or measurand is about.
func leafOf(n *acsi.Node, v value.Value) value.Value {
	for i, child := range n.Children {
		switch child.Name {
		case "stVal", "mag", "f", "general", "actVal":
			return leafOf(child, v.At(i))
		}
	}
	return v
}

// IEC 61850-7-2, 17.2: a free instance is found, reports come for each trigger, and the instance is free again.
//
// Conformance: cRp.
func TestReportsOverEveryCarrier(t *testing.T) {
	inBay(t, nil, func(b *bay) {
		c, other := b.as("ems", rbac.Engineer), b.as("other", rbac.Engineer)
		s := b.subscribe(c, "LLN0.urcbMeasurements", client.SubscribeConfig{Snapshot: true, TrgOps: acsi.TrgDataChange | acsi.TrgIntegrity | acsi.TrgGeneralInterrogation, IntgPd: 50 * time.Millisecond})
		if got := s.values(); !strings.Contains(got, "MMXU1.TotW=") || !strings.Contains(got, "(gi)") {
			b.Errorf("the first report is %s, want all values", got)
		}
		for integrity := false; !integrity; {
			integrity = strings.Contains(s.values(), "(integrity)")
		}
		b.update("MMXU1.TotW.mag.f[MX]", value.Float(4321))
		for changed := false; !changed; {
			got := s.values()
			changed = strings.Contains(got, "MMXU1.TotW=float32 4321(dchg)")
		}
		second := b.subscribe(other, "LLN0.urcbMeasurements", client.SubscribeConfig{})
		if s.Block() == second.Block() {
			b.Errorf("both have %v", s.Block())
		}
		_, err := other.Subscribe(b.ctx, s.Block(), client.SubscribeConfig{})
		if !errors.Is(err, &acsi.Error{Code: acsi.TemporarilyUnavailable}) {
			b.Errorf("one that is taken: got %v", err)
		}
		b.must("close", s.Close(b.ctx))
		again := b.subscribe(other, s.Block().Item()+"[RP]", client.SubscribeConfig{})
		b.must("close", errors.Join(again.Close(b.ctx), second.Close(b.ctx)))
		if stats := s.Stats(); stats.Missed > 0 || stats.Dropped > 0 || stats.Received < 3 {
			b.Errorf("got %+v", stats)
		}
	})
}

// A report that does not fit into a PDU comes in segments, and is one.
//
// Conformance: cRp.
func TestSegmentedReportsOverEveryCarrier(t *testing.T) {
	inBay(t, nil, func(b *bay) {
		link, err := b.bed.Party("ems", rbac.Engineer).Link("fdr1")
		b.must("link", err)
		services, err := mmsmap.Associate(b.ctx, link, assoc.Config{MaxPDU: assoc.MinPDU})
		b.must("associate", err)
		b.Cleanup(services.Abort)
		var members []acsi.Ref
		for range 6 {
			members = append(members, refsOf("MMXU1.TotW[MX]", "MMXU1.PPV[MX]", "MMXU1.A[MX]", "MMXU1.W[MX]", "LLN0.NamPlt[DC]")...)
		}
		set := acsi.MustRef(fdr + "/LLN0.large")
		b.must("create", services.CreateDataSet(b.ctx, set, members))
		s := b.subscribe(client.New(services), "LLN0.urcbMeasurements", client.SubscribeConfig{Snapshot: true, DataSet: set})
		for range 3 {
			update, err, _ := s.next()
			b.must("update", err)
			if len(update.Values) == len(members) {
				if services.Dropped() > 0 || update.Report.SubSeq != 0 || update.Report.More {
					b.Errorf("%d dropped, got %+v", services.Dropped(), update.Report)
				}
				return
			}
		}
		b.Error("no report has all members")
	})
}

// IEC 61850-7-2, 17.2.2: what happens while the client is away comes when it resumes, all of it, once and in order.
//
// Conformance: cBr.
func TestBufferedReportsOverEveryCarrier(t *testing.T) {
	inBay(t, nil, func(b *bay) {
		ems := b.bed.Party("ems", rbac.Engineer)
		const block = "LLN0.brcbProtection01"
		s := b.subscribe(client.New(ems.Associate("fdr1")), block, client.SubscribeConfig{Purge: true})
		start := func(n int) { b.update("PTOC1.Str.general[ST]", value.Bool(n%2 == 1)) }
		for i := 1; i <= 3; i++ {
			start(i)
			if got, want := s.values(), fmt.Sprintf("PTOC1.Str=%v(dchg)", value.Bool(i%2 == 1)); got != want {
				b.Errorf("change %d: got %s, want %s", i, got, want)
			}
		}
		last := s.LastEntry()
		ems.Cut()
		for i := 4; i <= 9; i++ {
			start(i)
		}
		ems.Open()
		var err error
		var resumed *updates
		for resumed == nil { // until the IED has noticed that the client was cut off
			var again *client.Subscription
			c := client.New(ems.Associate("fdr1"))
			if again, err = c.Subscribe(b.ctx, acsi.MustRef(fdr+"/"+block), client.SubscribeConfig{Resume: last}); err == nil {
				next, stop := iter.Pull2(again.Updates(b.ctx))
				b.Cleanup(stop)
				resumed = &updates{b, again, next}
			} else if b.ctx.Err() != nil {
				b.Fatal(err)
			}
		}
		start(10)
		for i := 4; i <= 10; i++ {
			if got, want := resumed.values(), fmt.Sprintf("PTOC1.Str=%v(dchg)", value.Bool(i%2 == 1)); got != want {
				b.Errorf("change %d: got %s, want %s", i, got, want)
			}
		}
		b.must("close", resumed.Close(b.ctx))
	})
}

// What the IED has had to forget is shown.
//
// Conformance: cBr.
func TestOverflowIsShownOverEveryCarrier(t *testing.T) {
	inBay(t, func(_ *testing.T, cfg *server.Config) { cfg.ReportBuffer = 2000 }, func(b *bay) {
		for i := range 200 {
			b.update("PTOC1.Str.general[ST]", value.Bool(i%2 == 0))
		}
		s := b.subscribe(b.as("ems", rbac.Engineer), "LLN0.brcbProtection", client.SubscribeConfig{})
		b.update("PTRC1.Tr.general[ST]", value.Bool(true)) // the end
		for first, last := true, false; !last; first = false {
			update, err, _ := s.next()
			b.must("update", err)
			if update.Overflow != first {
				b.Errorf("overflow is %t; is it the first: %t", update.Overflow, first)
			}
			last = update.Values[0].Ref == acsi.MustRef(fdr+"/PTRC1.Tr[ST]")
		}
		if stats := s.Stats(); stats.Overflows != 1 || stats.Received > 100 {
			b.Errorf("got %+v", stats)
		}
	})
}
