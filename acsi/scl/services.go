package scl

import (
	"encoding/xml"
	"strings"

	"busbar.example/acsi"
)

// ableAtLeast is what an IED is able to do where the file does not say it: in Edition 1 control blocks have neither
// Owner nor ResvTms.
func (d *Document) ableAtLeast() acsi.Abilities {
	first := strings.HasPrefix(d.edition, "Edition 1")
	return acsi.Abilities{NoOwner: first, NoResvTms: first}
}

// readServices changes able by what a Services says. What may be changed while the IED runs is Dyn; what an element that is
// there does not say is Fix, and false.
//
// IEC 61850-6, 9.3.2.
func readServices(rd *reader, able *acsi.Abilities) error {
	return rd.children(func(e xml.StartElement) error {
		fixed := func(attribute string) bool { return rd.attr(e, attribute) != "Dyn" }
		most := func(attribute string) int { return int(number(rd.attr(e, attribute), 10, 31, 0)) }
		switch e.Name.Local {
		case "DynAssociation":
			able.MaxAttachments = most("max")
		case "DynDataSet":
			able.MaxDataSets, able.MaxMembers = most("max"), most("maxAttributes")
		case "ReportSettings":
			able.FixedDatSet, able.FixedRptID, able.FixedOptFlds = fixed("datSet"), fixed("rptID"), fixed("optFields")
			able.FixedBufTm, able.FixedTrgOps, able.FixedIntgPd = fixed("bufTime"), fixed("trgOps"), fixed("intgPd")
			able.NoOwner = !isTrue(rd.attr(e, "owner"))
			able.NoResvTms = !isTrue(rd.attr(e, "resvTms"))
		case "LogSettings":
			able.FixedLog = fixed("datSet") && fixed("trgOps") && fixed("intgPd")
		}
		return rd.skip()
	})
}
