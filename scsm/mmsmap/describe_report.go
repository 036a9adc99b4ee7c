package mmsmap

import (
	"encoding/hex"
	"fmt"
	"strings"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// describeUnconfirmed tells what the peer was not asked for: reports, and what became of commands.
//
// IEC 61850-8-1, Report, CommandTermination and LastApplError.
func describeUnconfirmed(s mms.UnconfirmedService) Meaning {
	r, ok := s.(*mms.InformationReport)
	if !ok {
		return Meaning{Service: goName(s)}
	}
	switch spec := r.VariableAccessSpecification.(type) {
	case mms.VariableListName:
		if spec.Name == mms.ObjectName(mms.ReportName) {
			return describeReport(r.ListOfAccessResult)
		}
	case mms.ListOfVariable:
		if t, ok := terminationOf(spec, r.ListOfAccessResult); ok {
			return describeTermination(t)
		}
	}
	_, objects := accessed(r.VariableAccessSpecification, readServices)
	m := describeResults("InformationReport", len(r.ListOfAccessResult), resultOf(r.ListOfAccessResult))
	m.Objects = objects
	return m
}

func describeReport(results []mms.AccessResult) Meaning {
	r, err := reportOf(results)
	if err != nil {
		return Meaning{Service: "Report", Outcome: err.Error(), Failed: true}
	}
	var said []string
	say := func(flag acsi.OptFlds, format string, a ...any) {
		if r.OptFlds&flag != 0 {
			said = append(said, fmt.Sprintf(format, a...))
		}
	}
	say(acsi.OptSeqNum, "SqNum %d", r.SeqNum)
	if r.SubSeq > 0 || r.More {
		say(acsi.OptSegmentation, "segment %d", r.SubSeq)
	}
	say(acsi.OptTimeStamp, "%s", r.Time.Format(timeFormat))
	say(acsi.OptDataSet, "%s", r.DataSet)
	if r.BufOvfl {
		say(acsi.OptBufOvfl, "entries were lost")
	}
	say(acsi.OptEntryID, "entry %s", hex.EncodeToString(r.EntryID[:]))
	say(acsi.OptConfRev, "ConfRev %d", r.ConfRev)
	m := Meaning{Service: "Report", Outcome: strings.Join(append(said, reported(r)), ", ")}
	if r.RptID != "" {
		m.Objects = []string{r.RptID}
	}
	return m
}

// reported tells a few members one by one, and of more how many there are and why.
func reported(r *acsi.Report) string {
	said := fmt.Sprintf("%d of %s", len(r.Included), count(r.SetSize, "member"))
	if len(r.Included) == 0 {
		return said
	}
	var reasons acsi.Reason
	var texts []string
	for i := range r.Included {
		reasons |= r.Included[i].Reason
		if len(r.Included) <= fewResults {
			texts = append(texts, reportedEntry(&r.Included[i]))
		}
	}
	if texts != nil {
		return said + ": " + strings.Join(texts, ", ")
	}
	return said + why(reasons)
}

func reportedEntry(e *acsi.ReportEntry) string {
	name, text := e.Ref, "not readable"
	if domain, item, ok := strings.Cut(name, "/"); ok {
		name = objectName(mms.DomainSpecific{DomainID: domain, ItemID: item})
	} else if name == "" {
		name = fmt.Sprintf("member %d", e.Member+1)
	}
	if e.Value.IsValid() {
		text = brief(e.Value)
	}
	return name + " = " + text + why(e.Reason)
}

func why(r acsi.Reason) string {
	if r == 0 {
		return ""
	}
	return " (" + r.String() + ")"
}

// describeTermination tells how a command has ended, or only what was wrong with it.
func describeTermination(t *acsi.Termination) Meaning {
	m := Meaning{Service: "CommandTermination", Outcome: "done"}
	switch {
	case t.Oper.IsValid():
		m.Objects = []string{t.Ref.String()}
	case t.Failure.Object != "":
		m.Objects = []string{t.Failure.Object}
		if ref, err := acsi.ParseRef(t.Failure.Object); err == nil {
			m.Objects[0] = ref.String()
		}
	}
	if f := t.Failure; f != nil {
		if !t.Oper.IsValid() {
			m.Service = "LastApplError"
		}
		m.Outcome, m.Failed = fmt.Sprintf("%v (ctlNum %d, %v %q)", f.Cause, f.CtlNum, f.Origin.Cat, f.Origin.Ident), true
	}
	return m
}
