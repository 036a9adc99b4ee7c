package site_test

import (
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/app/site"
	"busbar.example/internal/testbed"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/stanza"
)

// An association ends soon after the IED has forgotten it, though no server has told the client: at the next sign of life where the IED is on
// line again, after the time for an answer where it is not. One with an IED that is there goes on.
func TestAssociationsWithoutAnIEDEnd(t *testing.T) {
	for _, tt := range []struct {
		name   string
		lose   func(*testbed.IED)
		within time.Duration // 0: never
	}{
		{"there", func(*testbed.IED) {}, 0},
		{"back", func(ied *testbed.IED) { ied.Stop(); ied.Start() }, 6 * time.Second},
		{"gone", func(ied *testbed.IED) { ied.Stop() }, 26 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bed, _ := testbed.StartMiddle(t, func(st stanza.Stanza) []stanza.Stanza {
					if st.Kind == stanza.Presence {
						return nil // nobody is told of anything
					}
					return []stanza.Stanza{st}
				})
				ied := bed.NewIED("pv1", testbed.IEDConfig{Model: testbed.Model(t, "../demo/scl/pv.cid")})
				c := bed.Associate("ems", "pv1", rbac.Viewer)
				kept := make(chan struct{})
				go func() {
					defer close(kept)
					site.KeepAlive(c)
				}()
				began := time.Now()
				tt.lose(ied)
				select {
				case <-c.Done():
				case <-time.After(10 * time.Minute):
				}
				took := time.Since(began)
				if ended := took < 10*time.Minute; ended != (tt.within > 0) || ended && took > tt.within {
					t.Errorf("ended %v after %v, want within %v: %v", ended, took, tt.within, c.Err())
				}
				c.Abort()
				<-kept
			})
		})
	}
}
