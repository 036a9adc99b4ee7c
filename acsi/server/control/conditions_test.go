package control

import (
	"testing"

	"busbar.example/acsi"
)

// Conformance: sCtl2, sCtl16-sCtl25.
func TestBehaviourAndTestFlag(t *testing.T) {
	const (
		yes    = "ask operating [deciding opRcvd]"
		no     = "reply blocked-by-mode [ready]"
		silent = "ask executing blocked"
	)
	for _, c := range []struct{ given, plain, test, mode string }{
		{"on", yes, no, yes},
		{"blocked", no, no, yes},
		{"test", no, yes, yes},
		{"test/blocked", no, yes, yes},
		{"off", no, no, yes},
	} {
		t.Run(c.given, func(t *testing.T) {
			for _, try := range []struct{ given, operate, want string }{
				{c.given, "on", c.plain}, {c.given, "on test", c.test}, {c.given + " mode", "on", c.mode},
			} {
				newRig(Settings{Model: DirectNormal}).play(t, "given "+try.given+" -> [ready]\n1 operate "+try.operate+" -> "+try.want)
			}
		})
	}
	t.Run("nothing reaches the process", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced}).play(t, `
			given test/blocked -> [ready]
			1 operate on test  -> ask operating [deciding opRcvd]
			answer none        -> reply none; `+silent+` [executing opRcvd opOk]
			answer none        -> end 1 none [ready]`)
	})
}

// Conformance: sCtl16-sCtl25.
func TestControlAuthority(t *testing.T) {
	var (
		ed1     = Authority{HasLocal: true}
		local   = Authority{HasLocal: true, Local: true, HasStation: true}
		station = Authority{HasLocal: true, HasStation: true, Station: true}
		remote  = Authority{HasLocal: true, HasStation: true}
		shared  = func(a Authority) Authority { a.MultiLevel = true; return a }
	)
	for _, c := range []struct {
		name                 string
		authority            Authority
		bay, station, remote bool
	}{
		{"no Loc", Authority{}, true, true, true},
		{"Loc", Authority{HasLocal: true, Local: true}, true, false, false},
		{"not Loc, no LocSta", ed1, false, true, true},
		{"Loc, LocSta", local, true, false, false},
		{"LocSta", station, false, true, false},
		{"neither", remote, false, false, true},
		{"Loc, several levels", shared(local), true, false, false},
		{"LocSta, several levels", shared(station), true, true, false},
		{"neither, several levels", shared(remote), true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := map[acsi.OrCat]bool{
				acsi.OrBayControl: c.bay, acsi.OrAutomaticBay: c.bay, acsi.OrMaintenance: c.bay,
				acsi.OrStationControl: c.station, acsi.OrAutomaticStation: c.station,
				acsi.OrRemoteControl: c.remote, acsi.OrAutomaticRemote: c.remote,
				acsi.OrNotSupported: c.name == "no Loc",
			}
			for cat, may := range want {
				if got := c.authority.allows(cat); got != may {
					t.Errorf("%s: allowed %t, want %t", cat, got, may)
				}
			}
		})
	}
}

func TestNoCommandComesFromTheProcess(t *testing.T) {
	newRig(Settings{Model: DirectNormal}).play(t, `
		1 operate on cat=8  -> reply inconsistent-parameters [ready]
		1 operate on cat=99 -> reply inconsistent-parameters [ready]`)
}
