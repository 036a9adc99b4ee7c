package mmsmap

import (
	"fmt"
	"strings"

	"busbar.example/mms"
)

// describeNewSet tells of a data set that is made, and its members.
func describeNewSet(r *mms.DefineNamedVariableListRequest) Meaning {
	return Meaning{Service: "CreateDataSet", Objects: []string{setName(r.VariableListName)}, Values: []string{"{" + members(r.ListOfVariable) + "}"}}
}

// describeDeletion tells which data sets are deleted.
func describeDeletion(r *mms.DeleteNamedVariableListRequest) Meaning {
	m := Meaning{Service: "DeleteDataSet"}
	switch r.ScopeOfDelete {
	case mms.DeleteSpecific:
		for _, name := range r.ListOfVariableListName {
			m.Objects = append(m.Objects, setName(name))
		}
	case mms.DeleteDomain:
		m.Objects = []string{"all of " + r.DomainName}
	case mms.DeleteAASpecific:
		m.Objects = []string{"all of the association"}
	default:
		m.Objects = []string{"all"}
	}
	return m
}

// describeDeleted tells how many of them were.
func describeDeleted(r *mms.DeleteNamedVariableListResponse) Meaning {
	m := Meaning{Service: "DeleteDataSet", Outcome: "done"}
	switch {
	case r.NumberMatched == 0:
		m.Outcome, m.Failed = "there is no such data set", true
	case r.NumberDeleted < r.NumberMatched:
		m.Outcome, m.Failed = fmt.Sprintf("%d of %d deleted", r.NumberDeleted, r.NumberMatched), true
	}
	return m
}

// members tells a few members one by one, and of more the number.
func members(list mms.ListOfVariable) string {
	if len(list) > fewResults {
		return count(len(list), "member")
	}
	_, objects := accessed(list, readServices)
	return strings.Join(objects, ", ")
}

// setName is the name of a data set or log in the spelling of ACSI.
func setName(name mms.ObjectName) string {
	if n, ok := name.(mms.DomainSpecific); ok {
		return n.DomainID + "/" + strings.Replace(n.ItemID, "$", ".", 1)
	}
	return objectName(name)
}
