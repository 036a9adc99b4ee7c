package site

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
)

// ableTo is which services an element of Services stands for. IEC 61850-6, Table "Services".
var ableTo = map[string]acsi.ServiceSet{
	"GetDirectory":            acsi.GetServerDirectory | acsi.GetLogicalDeviceDirectory | acsi.GetLogicalNodeDirectory,
	"GetDataObjectDefinition": acsi.GetDataDefinition, "DataObjectDirectory": acsi.GetDataDirectory,
	"GetDataSetValue": acsi.GetDataSetValues, "SetDataSetValue": acsi.SetDataSetValues, "DataSetDirectory": acsi.GetDataSets | acsi.GetDataSetDirectory,
	"ConfDataSet": acsi.GetDataSets, "DynDataSet": acsi.CreateDataSet | acsi.DeleteDataSet, "ReadWrite": acsi.GetDataValues | acsi.SetDataValues,
	"ConfReportControl": acsi.Reporting, "ReportSettings": acsi.Reporting | acsi.SetDataValues, "GetCBValues": acsi.GetDataValues,
	"ConfLogControl": acsi.QueryLogByTime | acsi.QueryLogAfter, "LogSettings": acsi.SetDataValues, "TimerActivatedControl": acsi.SetDataValues,
	"SettingGroups": acsi.SetDataValues, "FileHandling": acsi.GetFiles | acsi.GetFile | acsi.SetFile | acsi.DeleteFile,
	"DynAssociation": 0, "ConfLNs": 0, "ConfLdName": 0, "TimeSyncProt": 0, "SCSM": 0, "Security": 0, "CommProt": 0, // no services
}

// What the files of the demo say that their IEDs are able to do is what they do.
//
// Conformance: sCnf4.
func TestTheServicesOfTheFileAreServed(t *testing.T) {
	for _, file := range []string{"pv.cid", "battery.cid", "feeder.cid"} {
		t.Run(file, func(t *testing.T) {
			name := filepath.Join("..", "demo", "scl", file)
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var said struct {
				IED struct {
					Services struct {
						All []struct {
							XMLName xml.Name
							Max     string `xml:"max,attr"`
						} `xml:",any"`
					}
				}
			}
			if err := xml.Unmarshal(text, &said); err != nil {
				t.Fatal(err)
			}
			s := newSite(t)
			running := onLine(t, s, IEDOptions{SCL: name, Files: t.TempDir()})
			served := running.Engine.Services(rbac.Subject{}).Supported()
			if len(said.IED.Services.All) < 10 {
				t.Errorf("the file says %v", said)
			}
			for _, e := range said.IED.Services.All {
				want, known := ableTo[e.XMLName.Local]
				if !known {
					t.Errorf("no test knows what %s stands for", e.XMLName.Local)
				}
				if served&want != want {
					t.Errorf("%s: not all of that is served", e.XMLName.Local)
				}
				max, _ := strconv.Atoi(e.Max)
				if got := s.Config.IED.associationsOf(running.Model); e.XMLName.Local == "DynAssociation" && got != max {
					t.Errorf("%d associations, want %d", got, max)
				}
			}
		})
	}
}
