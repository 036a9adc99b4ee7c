package scl

import "busbar.example/acsi"

// physicalAddress is what the basic type PhyComAddr consists of.
//
// IEC 61850-8-1, PhyComAddress.
var physicalAddress = &typeDef{element: "DAType", id: "PhyComAddr", members: []*member{
	{element: "BDA", name: "Addr", basic: "Octet6"}, {element: "BDA", name: "PRIORITY", basic: "INT8U"},
	{element: "BDA", name: "VID", basic: "INT16U"}, {element: "BDA", name: "APPID", basic: "INT16U"},
}}

// enumSize is the number of bits that hold every number of e: eight, unless an engineer needed more.
func enumSize(e *acsi.Enum) int {
	size := 8
	for _, v := range e.Values {
		for v.Ord < -1<<(size-1) || v.Ord > 1<<(size-1)-1 {
			size *= 2
		}
	}
	return size
}
