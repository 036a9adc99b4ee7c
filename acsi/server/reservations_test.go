package server

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// associateAs makes an association of an account with a role.
func (p *plantBench) associateAs(who string, role rbac.Role) *session {
	s := subject(role)
	s.Name, s.Address = who+"@dso.example", who+"@dso.example/IEC"
	return p.Services(s).(*session)
}

// Who may only read may use control blocks, and so could leave none for anybody else.
func TestR2OneAccountDoesNotTakeAllControlBlocks(t *testing.T) {
	const unavailable = "temporarily-unavailable"
	for _, tc := range []struct {
		name                 string
		role                 rbac.Role
		configured           int
		unbuffered, buffered int
		want                 int
	}{
		{"half of them", rbac.Viewer, 0, 10, 10, 10},
		{"of few, eight", rbac.SECAUD, 0, 5, 5, 8},
		{"who may control gets all", rbac.Operator, 0, 10, 9, 19},
		{"who may configure gets all", rbac.Installer, 0, 10, 9, 19},
		{"as configured", rbac.Operator, 3, 5, 5, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPlant(t, func(c *Config) { c.ReportsPerAccount = tc.configured }, 1, tc.unbuffered, tc.buffered)
			got := 0
			var sessions []*session
			take := func(ref string, v value.Value) {
				s := p.associateAs("guest", tc.role) // an association each: the account counts
				sessions = append(sessions, s)
				switch code := put(t, s, ref, v); code {
				case "":
					got++
				case unavailable:
				default:
					t.Fatalf("%s: %s, want success or %s", ref, code, unavailable)
				}
			}
			for i := range tc.buffered {
				take(fmt.Sprintf("LD/LLN0.b%d.ResvTms[BR]", i), value.Int(32767))
			}
			for i := range tc.unbuffered {
				take(fmt.Sprintf("LD/LLN0.u%d.%s", i, []string{"Resv[RP]", "RptEna[RP]"}[i%2]), value.Bool(true))
			}
			if got != tc.want {
				t.Errorf("one account got %d of %d control blocks, want %d", got, tc.unbuffered+tc.buffered, tc.want)
			}
			if n := p.count(audit.AccessDenied); n != tc.unbuffered+tc.buffered-tc.want {
				t.Errorf("%d events, want one for each of %d refusals: %+v", n, tc.unbuffered+tc.buffered-tc.want, p.events.Events())
			}
			if tc.want == tc.unbuffered+tc.buffered {
				return
			}
			last := fmt.Sprintf("LD/LLN0.u%d.RptEna[RP]", tc.unbuffered-1)
			if code := put(t, p.associateAs("hmi", rbac.Viewer), last, value.Bool(true)); code != "" {
				t.Errorf("another account is answered %s", code)
			}
			if code := put(t, sessions[0], "LD/LLN0.b0.RptEna[BR]", value.Bool(true)); code != "" {
				t.Errorf("what the account has reserved it cannot enable: %s", code)
			}
			_ = put(t, sessions[0], "LD/LLN0.b0.RptEna[BR]", value.Bool(false))
			_ = put(t, sessions[0], "LD/LLN0.b0.ResvTms[BR]", value.Int(0))
			if code := put(t, p.associateAs("guest", rbac.Viewer), "LD/LLN0.b0.ResvTms[BR]", value.Int(1)); code != "" {
				t.Errorf("after one was given back, another is answered %s", code)
			}
		})
	}
}

// count is how many events of a kind there have been.
func (b *bench) count(id audit.ID) (n int) {
	for _, e := range b.events.Events() {
		if e.ID == id {
			n++
		}
	}
	return n
}

// A reservation of somebody who has gone away ends in bounded time.
func TestR2ReservationEnds(t *testing.T) {
	p := newPlant(t, func(c *Config) { c.Reservation = 10 * time.Minute }, 1, 0, 1)
	guest := p.associateAs("guest", rbac.Viewer)
	mustWrite(t, guest, "LD/LLN0.b0.ResvTms[BR]", value.Int(32767))
	if got, _ := get(t, guest, "LD/LLN0.b0.ResvTms[BR]").Int(); got != 600 {
		t.Errorf("ResvTms is %d after a write of 32767, want 600", got)
	}
	if err := guest.Close(bg); err != nil {
		t.Fatal(err)
	}
	hmi := p.associateAs("hmi", rbac.Viewer)
	p.wait(10*time.Minute - time.Second)
	if code := put(t, hmi, "LD/LLN0.b0.ResvTms[BR]", value.Int(1)); code != "temporarily-unavailable" {
		t.Errorf("before the reservation ends another account is answered %q", code)
	}
	p.wait(time.Second)
	if code := put(t, hmi, "LD/LLN0.b0.ResvTms[BR]", value.Int(1)); code != "" {
		t.Errorf("after ten minutes another account is answered %s", code)
	}
}

// A buffer that nobody has reserved at the moment is somebody's who is away.
func TestR2PurgeTakesTheControlBlock(t *testing.T) {
	const purge = "LD/LLN0.b0.PurgeBuf[BR]"
	for _, tc := range []struct {
		name    string
		role    rbac.Role
		reserve bool
		want    string
		event   int
	}{
		{"a viewer who has not reserved it", rbac.Viewer, false, "object-access-denied", 1},
		{"a viewer who has", rbac.Viewer, true, "", 0},
		{"who may configure", rbac.Installer, false, "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPlant(t, nil, 1, 0, 1)
			p.measure("0=1")
			s := p.associateAs("guest", tc.role)
			if tc.reserve {
				mustWrite(t, s, "LD/LLN0.b0.ResvTms[BR]", value.Int(1))
			}
			err := write(s, purge, value.Bool(true))
			if codeOf(err) != tc.want || p.count(audit.AccessDenied) != tc.event {
				t.Errorf("got %v and %d events, want %q and %d", err, p.count(audit.AccessDenied), tc.want, tc.event)
			}
			if refused, ok := errors.AsType[*acsi.Error](err); ok && !strings.Contains(refused.Text, "ResvTms") {
				t.Errorf("the refusal does not say what to do: %s", refused.Text)
			}
			hmi := p.associate("hmi")
			if tc.reserve {
				_ = s.Close(bg)
				p.wait(2 * time.Second)
			}
			mustWrite(t, hmi, "LD/LLN0.b0.RptEna[BR]", value.Bool(true))
			if got := len(told(t, hmi)); (got == 0) != (tc.want == "") {
				t.Errorf("%d reports are left", got)
			}
		})
	}
}

// What is logged is logged for all: to end that is no business of who may only read.
func TestR2LogsAreConfigured(t *testing.T) {
	const lcb = "FDR1LD0/LLN0.lcbEvents"
	for _, role := range []rbac.Role{rbac.Viewer, rbac.Operator, rbac.SECAUD} {
		b := feederBench(t, Config{})
		s := b.as(role)
		for ref, v := range map[string]value.Value{
			".LogEna[LG]": value.Bool(false), ".TrgOps[LG]": acsi.TrgDataChange.Value(), ".IntgPd[LG]": value.Uint(1000), ".DatSet[LG]": value.Visible(""),
		} {
			if code := put(t, s, lcb+ref, v); code != "object-access-denied" {
				t.Errorf("%s writes %s: %q, want object-access-denied", role, ref, code)
			}
		}
		if !get(t, s, lcb+".LogEna[LG]").Bool() {
			t.Errorf("%s has switched the log off", role)
		}
		if n := b.count(audit.AccessDenied); n != 4 {
			t.Errorf("%s: %d events, want one for each of 4 writes", role, n)
		}
	}
	b := feederBench(t, Config{})
	if code := put(t, b.as(rbac.Installer), lcb+".LogEna[LG]", value.Bool(false)); code != "" {
		t.Errorf("who may configure is answered %s", code)
	}
}

// Refusals neither fill the audit log nor the buffers of those whom tracking is reported to.
func TestR2RefusalsAreBounded(t *testing.T) {
	b := controlBench(t, Config{})
	updates := 0
	flood := func(s acsi.Services, ref string, v value.Value, code string) {
		t.Helper()
		for range 1000 {
			before, _ := b.Value(acsi.MustRef(ltrk + "GenTrk.t[SR]"))
			blocks, _ := b.Value(acsi.MustRef(ltrk + "UrcbTrk.t[SR]"))
			b.now = b.now.Add(time.Millisecond)
			is(t, ref, put(t, s, ref, v), code)
			after, _ := b.Value(acsi.MustRef(ltrk + "GenTrk.t[SR]"))
			blocksNow, _ := b.Value(acsi.MustRef(ltrk + "UrcbTrk.t[SR]"))
			if !before.Equal(after) || !blocks.Equal(blocksNow) {
				updates++
			}
		}
	}
	viewer := b.as(rbac.Viewer)
	flood(viewer, "CTLLD0/LLN0.MltLev.setVal[SP]", on, "object-access-denied")
	if n := b.count(audit.AccessDenied); n != 32 || updates != 32 {
		t.Errorf("1,000 writes without the right: %d events, tracked %d times, want 32 and 32", n, updates)
	}
	flood(viewer, "CTLLD0/LLN0.Trk01.GI[RP]", on, "temporarily-unavailable")
	if updates != 32 {
		t.Errorf("1,000 more that the state forbids: tracked %d times, want 32 as before", updates)
	}
	other := subject(rbac.SECADM)
	other.Name = "other@dso.example"
	is(t, "another's write", put(t, b.Services(other), "CTLLD0/LLN0.MltLev.setVal[SP]", on), "object-access-denied")
	events := b.events.Events()
	if last := events[len(events)-1]; last.Subject != other.Name || !strings.Contains(last.Text, "968 more refusals before") {
		t.Errorf("the event of another account is %+v, want it to say that 968 are missing", last)
	}
	b.now = b.now.Add(time.Minute)
	updates = 0
	flood(viewer, "CTLLD0/LLN0.MltLev.setVal[SP]", on, "object-access-denied")
	if updates != 32 {
		t.Errorf("a minute later: tracked %d times, want 32", updates)
	}
}
