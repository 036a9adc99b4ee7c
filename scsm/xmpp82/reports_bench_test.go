package xmpp82_test

import (
	"context"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/internal/testbed"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// subscriber is a client that hears of one measured value, each change in a report of its own.
type subscriber struct {
	b      *testing.B
	client *mmsmap.Client
	engine *server.Engine
	handle server.Handle
	next   uint64 // number of the next change
	heard  uint64 // that should come next
}

func newSubscriber(b *testing.B) *subscriber {
	bed := testbed.Start(b, testbed.Options{})
	engine, _ := bed.IED("pv1", pv(b))
	s := &subscriber{b: b, client: bed.Associate("ems", "pv1", rbac.Engineer), engine: engine}
	ctx := timeout(b)
	set := acsi.MustRef("@one")
	err := s.client.CreateDataSet(ctx, set, []acsi.Ref{acsi.MustRef("PV1LD0/MMTR1.SupWh[ST]")})
	if err == nil {
		s.handle, err = engine.Handle(acsi.MustRef("PV1LD0/MMTR1.SupWh.actVal[ST]"))
	}
	if err != nil {
		b.Fatal(err)
	}
	for _, a := range []struct {
		name string
		v    value.Value
	}{
		{"Resv", value.Bool(true)},
		{"DatSet", value.Visible("@one")},
		{"OptFlds", (acsi.OptSeqNum | acsi.OptReason).Value()},
		{"TrgOps", acsi.TrgDataChange.Value()},
		{"RptEna", value.Bool(true)},
	} {
		errs, err := s.client.SetDataValues(ctx, []acsi.Assignment{{Ref: acsi.MustRef("PV1LD0/LLN0.urcbMeasurements01." + a.name + "[RP]"), Value: a.v}})
		if err != nil || errs[0] != nil {
			b.Fatal(a.name, errs, err)
		}
	}
	return s
}

// change makes the next report.
func (s *subscriber) change() {
	s.next++
	n := s.next
	s.engine.Update(func(tx *server.Tx) {
		if err := tx.Set(s.handle, value.Int(int64(n))); err != nil {
			s.b.Error(err)
		}
	})
}

// hear waits for a report, which must be the next.
func (s *subscriber) hear() {
	notice, err := s.client.Next(context.Background())
	r, ok := notice.(*acsi.Report)
	if err != nil || !ok {
		s.b.Fatal(notice, err)
	}
	if s.heard++; len(r.Included) != 1 || !r.Included[0].Value.At(0).Equal(value.Int(int64(s.heard))) {
		s.b.Fatalf("report %d has %v, dropped: %d", s.heard, r.Included, s.client.Dropped())
	}
}

// BenchmarkReports has an IED report one value each time that it changes, through the broker, over TLS and E2E.
func BenchmarkReports(b *testing.B) {
	b.Run("stream", func(b *testing.B) {
		s := newSubscriber(b)
		const ahead = 256 // changes that are not heard of yet
		places := make(chan struct{}, ahead)
		n := b.N
		b.ReportAllocs()
		b.ResetTimer()
		go func() {
			for range n {
				places <- struct{}{}
				s.change()
			}
		}()
		for range n {
			s.hear()
			<-places
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "reports/s")
	})
	b.Run("rate-2500", func(b *testing.B) {
		s := newSubscriber(b)
		const interval = time.Second / 2500
		n := b.N
		took := make([]time.Duration, 0, n)
		b.ResetTimer()
		begin := time.Now()
		go func() {
			for i := range n {
				time.Sleep(time.Until(begin.Add(time.Duration(i) * interval)))
				s.change()
			}
		}()
		for i := range n {
			s.hear()
			took = append(took, time.Since(begin.Add(time.Duration(i)*interval)))
		}
		percentiles(b, took)
	})
}
