package main

import (
	"time"

	ucapi "github.com/enbility/eebus-go/usecases/api"
	"github.com/enbility/eebus-go/usecases/gcp/mgcp"
	"github.com/enbility/eebus-go/usecases/mu/mpc"
	spineapi "github.com/enbility/spine-go/api"
	"github.com/enbility/spine-go/model"
	"github.com/enbility/spine-go/spine"
	"github.com/enbility/spine-go/util"
)

// measuredValues are all values that a grid connection point or a unit can report; absent ones stay as they are.
type measuredValues struct {
	PowerW      *float64  `json:"power_w"`
	PowersW     []float64 `json:"powers_w"` // of the phases; units only
	FeedInWh    *float64  `json:"feed_in_wh"`
	ConsumedWh  *float64  `json:"consumed_wh"`
	CurrentsA   []float64 `json:"currents_a"`
	VoltagesV   []float64 `json:"voltages_v"`
	VoltagesPPV []float64 `json:"voltages_pp_v"` // between the phases: a to b, b to c, c to a
	FrequencyHz *float64  `json:"frequency_hz"`
	LimitFactor *float64  `json:"pv_limit_factor"` // grid connection point only
}

var meter = util.Ptr(model.MeasurementValueSourceTypeMeasuredValue)

// newGrid is the grid connection point with every scenario that this version of eebus-go knows.
func newGrid(entity spineapi.EntityLocalInterface) (*mgcp.MGCP, error) {
	return mgcp.NewMGCP(entity, nil,
		&mgcp.MonitorPvFeedInPowerLimitationFactorConfig{},
		&mgcp.MonitorPowerConfig{ValueSource: meter},
		&mgcp.MonitorEnergyConfig{ValueSourceProduction: meter, ValueSourceConsumption: meter},
		&mgcp.MonitorCurrentConfig{ValueSourcePhaseA: meter, ValueSourcePhaseB: meter, ValueSourcePhaseC: meter},
		&mgcp.MonitorVoltageConfig{
			ValueSourcePhaseA: meter, ValueSourcePhaseB: meter, ValueSourcePhaseC: meter,
			ValueSourcePhaseAToB: meter, ValueSourcePhaseBToC: meter, ValueSourcePhaseCToA: meter,
		},
		&mgcp.MonitorFrequencyConfig{ValueSource: meter},
	)
}

// addGrid announces MGCP itself: this version of eebus-go announces its grid connection point under the actor of
// the other side, and no monitoring appliance would find it.
func addGrid(entity spineapi.EntityLocalInterface, grid *mgcp.MGCP) error {
	entity.AddUseCaseSupport(model.UseCaseActorTypeGridConnectionPoint,
		model.UseCaseNameTypeMonitoringOfGridConnectionPoint, "1.0.0", "release", true,
		[]model.UseCaseScenarioSupportType{1, 2, 3, 4, 5, 6, 7})
	return grid.AddFeatures()
}

// newUnit is a monitored unit, a sub-meter with three phases, on an entity of its own.
func newUnit(device *spine.DeviceLocal) (*mpc.MPC, error) {
	entity := spine.NewEntityLocal(device, model.EntityTypeTypeSubMeterElectricity, []model.AddressEntityType{2}, time.Minute)
	device.AddEntity(entity)
	phases := func() mpc.PhaseMeasurementSourceMap {
		return mpc.PhaseMeasurementSourceMap{
			model.ElectricalConnectionPhaseNameTypeA: meter,
			model.ElectricalConnectionPhaseNameTypeB: meter,
			model.ElectricalConnectionPhaseNameTypeC: meter,
		}
	}
	voltages := phases()
	voltages[model.ElectricalConnectionPhaseNameTypeAb] = meter
	voltages[model.ElectricalConnectionPhaseNameTypeBc] = meter
	voltages[model.ElectricalConnectionPhaseNameTypeAc] = meter
	unit, err := mpc.NewMPC(entity, nil,
		&mpc.MonitorPowerConfig{
			ConnectedPhases: model.ElectricalConnectionPhaseNameTypeAbc, ValueSourceTotal: meter,
			ValueSourcePerPhase: phases(),
		},
		&mpc.MonitorEnergyConfig{ValueSourceProduction: meter, ValueSourceConsumption: meter},
		&mpc.MonitorCurrentConfig{ValueSourcePerPhase: phases()},
		&mpc.MonitorVoltageConfig{ValueSourcePerPhase: voltages},
		&mpc.MonitorFrequencyConfig{ValueSource: meter},
	)
	if err != nil {
		return nil, err
	}
	return unit, addUseCase(unit)
}

func (c *controllableSystem) measureGrid(values measuredValues) (any, error) {
	var updates []ucapi.UpdateData
	add := func(value *float64, update func(float64) ucapi.UpdateData) {
		if value != nil {
			updates = append(updates, update(*value))
		}
	}
	grid := c.grid
	add(values.LimitFactor, grid.UpdateDataPowerLimitationFactor)
	add(values.PowerW, func(value float64) ucapi.UpdateData { return grid.UpdateDataPowerTotal(value, nil, nil) })
	add(values.FeedInWh, func(value float64) ucapi.UpdateData {
		return grid.UpdateDataEnergyFeedIn(value, nil, nil, nil, nil)
	})
	add(values.ConsumedWh, func(value float64) ucapi.UpdateData {
		return grid.UpdateDataEnergyConsumed(value, nil, nil, nil, nil)
	})
	add(values.FrequencyHz, func(value float64) ucapi.UpdateData { return grid.UpdateDataFrequency(value, nil, nil) })
	type ofPhase = func(float64, *time.Time, *model.MeasurementValueStateType) ucapi.UpdateData
	addAll := func(numbers []float64, ofPhases ...ofPhase) {
		for index, number := range numbers {
			updates = append(updates, ofPhases[index](number, nil, nil))
		}
	}
	addAll(values.CurrentsA, grid.UpdateDataCurrentPhaseA, grid.UpdateDataCurrentPhaseB, grid.UpdateDataCurrentPhaseC)
	addAll(values.VoltagesV, grid.UpdateDataVoltagePhaseA, grid.UpdateDataVoltagePhaseB, grid.UpdateDataVoltagePhaseC)
	addAll(values.VoltagesPPV,
		grid.UpdateDataVoltagePhaseAToB, grid.UpdateDataVoltagePhaseBToC, grid.UpdateDataVoltagePhaseCToA)
	return nil, grid.Update(updates...)
}

func (c *controllableSystem) measureUnit(values measuredValues) (any, error) {
	var updates []ucapi.UpdateMeasurementData
	add := func(value *float64, update func(float64) ucapi.UpdateMeasurementData) {
		if value != nil {
			updates = append(updates, update(*value))
		}
	}
	unit := c.unit
	add(values.PowerW, func(value float64) ucapi.UpdateMeasurementData {
		return unit.UpdateDataPowerTotal(value, nil, nil)
	})
	add(values.FeedInWh, func(value float64) ucapi.UpdateMeasurementData {
		return unit.UpdateDataEnergyProduced(value, nil, nil, nil, nil)
	})
	add(values.ConsumedWh, func(value float64) ucapi.UpdateMeasurementData {
		return unit.UpdateDataEnergyConsumed(value, nil, nil, nil, nil)
	})
	add(values.FrequencyHz, func(value float64) ucapi.UpdateMeasurementData {
		return unit.UpdateDataFrequency(value, nil, nil)
	})
	type ofPhase = func(float64, *time.Time, *model.MeasurementValueStateType) ucapi.UpdateMeasurementData
	addAll := func(numbers []float64, ofPhases ...ofPhase) {
		for index, number := range numbers {
			updates = append(updates, ofPhases[index](number, nil, nil))
		}
	}
	addAll(values.PowersW, unit.UpdateDataPowerPhaseA, unit.UpdateDataPowerPhaseB, unit.UpdateDataPowerPhaseC)
	addAll(values.CurrentsA, unit.UpdateDataCurrentPhaseA, unit.UpdateDataCurrentPhaseB, unit.UpdateDataCurrentPhaseC)
	addAll(values.VoltagesV, unit.UpdateDataVoltagePhaseA, unit.UpdateDataVoltagePhaseB, unit.UpdateDataVoltagePhaseC)
	addAll(values.VoltagesPPV,
		unit.UpdateDataVoltagePhaseAToB, unit.UpdateDataVoltagePhaseBToC, unit.UpdateDataVoltagePhaseAToC)
	return nil, unit.Update(updates...)
}
