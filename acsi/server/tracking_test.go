package server

import (
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

const ltrk = "CTLLD0/LTRK1."

// tracks compares what a data object of LTRK shows: NAME=VALUE, separated by commas.
func tracks(t testing.TB, b *bench, do, want string) {
	t.Helper()
	for _, part := range strings.Split(want, ", ") {
		name, text, _ := strings.Cut(part, "=")
		v, err := b.Value(acsi.MustRef(ltrk + do + "." + name + "[SR]"))
		got := v.String()
		if _, number, ok := strings.Cut(got, " "); ok && v.Kind() != value.Structure {
			got = number
		}
		if v.Kind() == value.VisibleString || v.Kind() == value.OctetString {
			got = v.Text()
		}
		if err != nil || got != text {
			t.Errorf("%s.%s is %s (%v), want %s", do, name, got, err, text)
		}
	}
}

// Conformance: sTrk2.
func TestCommandsAreTracked(t *testing.T) {
	b := controlBench(t, Config{})
	s := b.as(rbac.Operator)
	is(t, "select", send(t, s, pos, "SBOw", order{v: on, num: 7, sync: true, lock: true, t: noon.Add(-time.Second)}), "")
	tracks(t, b, "DpcTrk", "objRef=CTLLD0/CSWI1$CO$Pos, serviceType=44, errorCode=0, originatorID=ann@dso.example, ctlVal=true, origin.orCat=3, "+
		"origin.orIdent=ems, ctlNum=7, Test=false, Check=11, respAddCause=25")
	for name, want := range map[string]time.Time{"t": noon, "T": noon.Add(-time.Second)} {
		if v, _ := b.Value(acsi.MustRef(ltrk + "DpcTrk." + name + "[SR]")); !timeIs(v, want) {
			t.Errorf("%s is %s, want %v", name, v, want)
		}
	}
	is(t, "select again", send(t, s, pos, "SBOw", order{v: off, num: 8}), "object-already-selected")
	tracks(t, b, "DpcTrk", "serviceType=44, errorCode=2, ctlVal=false, ctlNum=8, Check=00, respAddCause=19")
	is(t, "cancel", send(t, s, pos, "Cancel", order{v: on, num: 7}), "")
	tracks(t, b, "DpcTrk", "serviceType=45, errorCode=0, ctlNum=7, respAddCause=25")
	is(t, "operate", send(t, s, pos, "Oper", order{v: on}), "object-not-selected")
	tracks(t, b, "DpcTrk", "serviceType=46, errorCode=9, respAddCause=18")
	is(t, "no right", send(t, b.as(rbac.Viewer), pos, "Oper", order{v: on, num: 99}), "no-access-authority")
	tracks(t, b, "DpcTrk", "serviceType=46, errorCode=3, ctlNum=99, respAddCause=20")

	is(t, "select", get(t, s, ggio+"SPCSO1.SBO[CO]").Text(), "CTLLD0/GGIO1$CO$SPCSO1")
	tracks(t, b, "SpcTrk", "objRef=CTLLD0/GGIO1$CO$SPCSO1, serviceType=43, errorCode=0")
	is(t, "later", send(t, s, ggio+"ISCSO1", "Oper", order{v: value.Int(3), at: noon.Add(time.Minute)}), "")
	tracks(t, b, "IncTrk", "serviceType=48, errorCode=0, ctlVal=3")
	b.wait(time.Minute)
	tracks(t, b, "IncTrk", "serviceType=47, errorCode=0, respAddCause=25")
	for do, track := range map[string]string{"EnmCSO1": "EncTrk1", "BSCSO1": "BscTrk", "ISCPos1": "IscTrk", "AnOut1": "ApcFTrk", "AnOut2": "BacTrk"} {
		v := map[string]value.Value{"EnmCSO1": value.Int(2), "BSCSO1": higher, "ISCPos1": value.Int(2), "AnOut1": value.StructureOf(value.Float(2)), "AnOut2": higher}[do]
		is(t, do, send(t, s, ggio+do, "Oper", order{v: v}), "")
		tracks(t, b, track, "objRef=CTLLD0/GGIO1$CO$"+do+", serviceType=47, errorCode=0, respAddCause=25")
	}
}

// Conformance: sTrk1.
func TestWritesToControlBlocksAreTracked(t *testing.T) {
	b := controlBench(t, Config{})
	s := b.as(rbac.Operator, rbac.Engineer)
	const rcb = "CTLLD0/LLN0.Trk01"
	is(t, "URCB", put(t, s, rcb+".IntgPd[RP]", value.Uint(5000)), "")
	tracks(t, b, "UrcbTrk", "objRef=CTLLD0/LLN0$RP$Trk01, serviceType=26, errorCode=0, intgPd=5000, rptEna=false, rptID=Trk")
	is(t, "enabled", put(t, s, rcb+".RptEna[RP]", on), "")
	is(t, "while enabled", put(t, s, rcb+".IntgPd[RP]", value.Uint(7000)), "temporarily-unavailable")
	tracks(t, b, "UrcbTrk", "serviceType=26, errorCode=4, intgPd=7000, rptEna=true")
	is(t, "no right", put(t, b.as(rbac.SECADM), rcb+".RptEna[RP]", off), "object-access-denied")
	tracks(t, b, "UrcbTrk", "serviceType=26, errorCode=3, rptEna=false")
	hidden := subject(rbac.Viewer)
	hidden.Grants[0].AOR = "ELSEWHERE"
	is(t, "what may not be viewed", put(t, b.Services(hidden), rcb+".IntgPd[RP]", value.Uint(9)), "object-access-denied")
	tracks(t, b, "UrcbTrk", "serviceType=26, errorCode=3, rptEna=false")
	is(t, "LCB", put(t, s, "CTLLD0/LLN0.Log.LogEna[LG]", on), "")
	tracks(t, b, "LocbTrk", "objRef=CTLLD0/LLN0$LG$Log, serviceType=28, errorCode=0, logEna=true")
	is(t, "SGCB", put(t, s, "CTLLD0/LLN0.SGCB.ActSG[SP]", value.Uint(2)), "")
	tracks(t, b, "SgcbTrk", "objRef=CTLLD0/LLN0$SP$SGCB, serviceType=16, errorCode=0, actSG=2, numOfSG=2")
	is(t, "SGCB", put(t, s, "CTLLD0/LLN0.SGCB.ActSG[SP]", value.Uint(3)), "object-value-invalid")
	tracks(t, b, "SgcbTrk", "errorCode=5, actSG=3")
	is(t, "a set point", put(t, s, "CTLLD0/LLN0.MltLev.setVal[SP]", on), "")
	tracks(t, b, "GenTrk", "objRef=CTLLD0/LLN0$SP$MltLev$setVal, serviceType=8, errorCode=0")
}

// Conformance: sTrk3.
func TestDataSetsMadeAreTracked(t *testing.T) {
	b := controlBench(t, Config{})
	s := b.as(rbac.Engineer)
	set := acsi.MustRef("CTLLD0/LLN0.Mine")
	if err := s.CreateDataSet(bg, set, []acsi.Ref{acsi.MustRef(pos + "[ST]")}); err != nil {
		t.Fatal(err)
	}
	tracks(t, b, "GenTrk", "objRef=CTLLD0/LLN0$Mine, serviceType=13, errorCode=0")
	if err := s.DeleteDataSet(bg, set); err != nil {
		t.Fatal(err)
	}
	tracks(t, b, "GenTrk", "objRef=CTLLD0/LLN0$Mine, serviceType=14, errorCode=0")
	if err := s.DeleteDataSet(bg, set); err == nil {
		t.Fatal("deleted twice")
	}
	tracks(t, b, "GenTrk", "serviceType=14, errorCode=1")
}

// Conformance: sTrk4.
func TestTrackingIsReported(t *testing.T) {
	b := controlBench(t, Config{})
	s, other := b.as(rbac.Operator), b.as(rbac.Operator)
	is(t, "enable", put(t, s, "CTLLD0/LLN0.Trk01.RptEna[RP]", on), "")
	for i, want := range []string{"", "object-already-selected"} {
		is(t, "select", send(t, other, pos, "SBOw", order{v: on, num: uint8(i)}), want)
		b.wait(time.Second)
		n, err := s.(*session).take()
		r, ok := n.(*acsi.Report)
		if err != nil || !ok || len(r.Included) != 1 || r.Included[0].Member != 0 || r.Included[0].Reason != acsi.ReasonDataUpdate {
			t.Fatalf("reported %+v %v, want the update of the first member", n, err)
		}
		whole, _ := b.Value(acsi.MustRef(ltrk + "DpcTrk[SR]"))
		if !r.Included[0].Value.Equal(whole) {
			t.Errorf("reported %s, want %s", r.Included[0].Value, whole)
		}
	}
}
