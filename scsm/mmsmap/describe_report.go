package mmsmap

import "busbar.example/mms"

// describeUnconfirmed tells what the peer was not asked for: reports, and what became of commands.
//
// IEC 61850-8-1, Report and CommandTermination.
func describeUnconfirmed(s mms.UnconfirmedService) Meaning {
	r, ok := s.(*mms.InformationReport)
	if !ok {
		return Meaning{Service: goName(s)}
	}
	if list, ok := r.VariableAccessSpecification.(mms.VariableListName); ok && list.Name == mms.VMDSpecific("RPT") {
		return Meaning{Service: "Report", Outcome: count(len(r.ListOfAccessResult), "result")}
	}
	_, objects := accessed(r.VariableAccessSpecification, readServices)
	m := describeResults("InformationReport", len(r.ListOfAccessResult), resultOf(r.ListOfAccessResult))
	m.Objects = objects
	return m
}
