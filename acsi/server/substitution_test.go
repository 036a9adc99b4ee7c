package server

import (
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// Conformance: sSub1-sSub3.
func TestSubstitution(t *testing.T) {
	number := func(f float32) value.Value { return value.StructureOf(value.Float(f)) }
	for _, c := range []struct {
		do, value, sub  string
		first, by, next value.Value
	}{
		{pos, "stVal[ST]", "subVal[SV]", value.Bits(2, []byte{0x40}), value.Bits(2, []byte{0x80}), value.Bits(2, []byte{0})},
		{ggio + "Ind1", "stVal[ST]", "subVal[SV]", off, on, on},
		{ggio + "AnIn1", "mag[MX]", "subMag[SV]", number(1), number(7), number(3)},
		{ggio + "AnIn1", "instMag[MX]", "subMag[SV]", number(1), number(7), number(3)},
		{ggio + "CnIn1", "cVal[MX]", "subCVal[SV]", value.StructureOf(number(1), number(0)), value.StructureOf(number(2), number(90)), value.StructureOf(number(3), number(1))},
	} {
		t.Run(c.do+"."+c.value, func(t *testing.T) {
			b := controlBench(t, Config{})
			s := b.as(rbac.Operator)
			shown, q, at := c.do+"."+c.value, c.do+".q["+c.value[len(c.value)-3:], c.do+".t["+c.value[len(c.value)-3:]
			process(t, b, shown, c.first, acsi.QualityInaccurate)
			is(t, "subVal", put(t, s, c.do+"."+c.sub, c.by), "")
			is(t, "subID", put(t, s, c.do+".subID[SV]", value.Visible("ann")), "")
			shows(t, b, shown, c.first.String())
			b.now = noon.Add(time.Second)
			is(t, "subEna", put(t, s, c.do+".subEna[SV]", on), "")
			shows(t, b, shown, c.by.String())
			is(t, "quality", qualityOf(t, b, q), "good substituted")
			if v, _ := b.Value(acsi.MustRef(at)); !timeIs(v, b.now) {
				t.Errorf("its time is %s", v)
			}
			is(t, "subQ", put(t, s, c.do+".subQ[SV]", (acsi.QualityQuestionable|acsi.QualityInaccurate).Value()), "")
			is(t, "quality", qualityOf(t, b, q), "questionable inaccurate substituted")
			process(t, b, shown, c.next, acsi.QualityOldData)
			shows(t, b, shown, c.by.String())
			is(t, "quality", qualityOf(t, b, q), "questionable inaccurate substituted")
			is(t, "another value", put(t, s, c.do+"."+c.sub, c.first), "")
			shows(t, b, shown, c.first.String())
			is(t, "subEna off", put(t, s, c.do+".subEna[SV]", off), "")
			shows(t, b, shown, c.next.String())
			is(t, "quality", qualityOf(t, b, q), "good oldData")
			if len(b.subs.held) != 0 {
				t.Errorf("still held: %v", b.subs.held)
			}
		})
	}
}

// Conformance: sSubN1.
func TestSubstitutionAndTheEndOfItsAssociation(t *testing.T) {
	for _, ends := range []bool{false, true} {
		b := controlBench(t, Config{SubstitutionEnds: ends})
		ann, bob := b.as(rbac.Operator), b.as(rbac.Operator)
		is(t, "ann", put(t, ann, ggio+"Ind1.subVal[SV]", on), "")
		is(t, "ann", put(t, ann, ggio+"Ind1.subEna[SV]", on), "")
		if err := bob.Close(bg); err != nil {
			t.Fatal(err)
		}
		shows(t, b, ggio+"Ind1.stVal[ST]", "true")
		if err := ann.Close(bg); err != nil {
			t.Fatal(err)
		}
		shows(t, b, ggio+"Ind1.stVal[ST]", value.Bool(!ends).String())
		shows(t, b, ggio+"Ind1.subEna[SV]", value.Bool(!ends).String())
	}
}

// Conformance: sSrv11.
func TestBlockedValueStays(t *testing.T) {
	const in = ggio + "AnIn1"
	b := controlBench(t, Config{})
	s := b.as(rbac.Operator)
	process(t, b, in+".mag.f[MX]", value.Float(1), acsi.QualityGood)
	is(t, "blkEna", put(t, s, in+".blkEna[BL]", on), "")
	is(t, "quality", qualityOf(t, b, in+".q[MX]"), "questionable oldData operatorBlocked")
	process(t, b, in+".mag.f[MX]", value.Float(2), acsi.QualityGood)
	shows(t, b, in+".mag.f[MX]", "float32 1")
	is(t, "substituted meanwhile", put(t, s, in+".subEna[SV]", on), "")
	shows(t, b, in+".mag.f[MX]", "float32 0")
	is(t, "quality", qualityOf(t, b, in+".q[MX]"), "good substituted")
	is(t, "no longer", put(t, s, in+".subEna[SV]", off), "")
	shows(t, b, in+".mag.f[MX]", "float32 2")
	is(t, "quality", qualityOf(t, b, in+".q[MX]"), "questionable oldData operatorBlocked")
	process(t, b, in+".mag.f[MX]", value.Float(3), acsi.QualityGood)
	is(t, "blkEna", put(t, s, in+".blkEna[BL]", off), "")
	shows(t, b, in+".mag.f[MX]", "float32 3")
	is(t, "quality", qualityOf(t, b, in+".q[MX]"), "good")
}

func TestSubstitutionInTestMode(t *testing.T) {
	const in = ggio + "Ind1"
	b := controlBench(t, Config{})
	s := b.as(rbac.Operator)
	process(t, b, in+".stVal[ST]", on, acsi.QualityGood)
	process(t, b, "CTLLD0/GGIO1.Mod.stVal[ST]", value.Int(3), 0)
	is(t, "subEna", put(t, s, in+".subEna[SV]", on), "")
	is(t, "quality", qualityOf(t, b, in+".q[ST]"), "good substituted test")
	process(t, b, in+".stVal[ST]", on, acsi.QualityInaccurate)
	process(t, b, "CTLLD0/GGIO1.Mod.stVal[ST]", value.Int(1), 0)
	is(t, "quality", qualityOf(t, b, in+".q[ST]"), "good substituted")
	is(t, "subEna off", put(t, s, in+".subEna[SV]", off), "")
	is(t, "quality", qualityOf(t, b, in+".q[ST]"), "good inaccurate")
}
