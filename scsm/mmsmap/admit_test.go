package mmsmap_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"busbar.example/internal/testbed"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
)

// An IED takes as many clients at once as it may have, refuses one more with a word on why, and takes it once another has left.
//
// Conformance: sAss3, sAssN3.
func TestOneMoreThanThereMayBe(t *testing.T) {
	testbed.EachMode(t, func(t *testing.T, o testbed.Options) {
		const most = 2
		var here atomic.Int32
		left := make(chan struct{}, most)
		bed := testbed.Start(t, o)
		bed.NewIED("pv1", testbed.IEDConfig{Model: plant(t), Server: mmsmap.ServerConfig{Admit: func(rbac.Subject) (func(), error) {
			if here.Load() == most {
				return nil, assoc.ErrNoRoom
			}
			here.Add(1)
			return func() {
				here.Add(-1)
				left <- struct{}{}
			}, nil
		}}})
		ems := bed.Party("ems", rbac.Viewer)
		first, second := ems.Associate("pv1"), ems.Associate("pv1")
		link, err := ems.Link("pv1")
		if err != nil {
			t.Fatal(err)
		}
		_, err = mmsmap.Associate(timeout(t), link, assoc.Config{})
		var refused *assoc.InitiateError
		if !errors.Is(err, assoc.ErrNoRoom) || !errors.As(err, &refused) || !refused.Remote {
			t.Fatalf("one more: %v", err)
		}
		read(t, first, power)
		read(t, second, power)
		if err := second.Release(timeout(t)); err != nil {
			t.Fatal(err)
		}
		<-left
		read(t, ems.Associate("pv1"), power)
	})
}
