//! Buttons that are put on the list on the page: what is refused, and what is written.

use super::*;
use crate::runtime::camera_adding::room::{HAND_WRITTEN, Room};

impl Room {
    async fn add_button(&self, asked: Value) -> Result<Value, DeskRefusal> {
        let asked = serde_json::from_value(asked).unwrap();
        let now = "2026-12-01T08:00:00Z".parse().unwrap();
        add_button(Arc::new(self.config()), asked, now, &self.reloads).await
    }
}

fn hers(on: u32) -> Value {
    json!({"on": on, "by": "王工", "id": "0x00158d0001", "device": "厨房/按钮 ${HOME}", "name": " 李奶奶 3-201 ",
        "address": "三号楼 201", "contact": "女儿 13800000000", "note": "听力不好\u{3000}请敲门", "place": [114.123456, 30.654321]})
}

#[tokio::test]
async fn it_is_written_over_the_hand_written_file_with_whom_to_call() {
    let room = Room::new();
    let told = room.add_button(hers(0)).await.unwrap();
    assert_eq!((&told["version"], &told["in_effect"]), (&json!(1), &json!(true)), "{told}");
    let config = room.config();
    let button = config.buttons.iter().find(|one| one.id == "0x00158d0001").unwrap();
    assert_eq!(button.name, "李奶奶 3-201");
    assert_eq!(button.device.as_deref(), Some("厨房/按钮 ${HOME}"), "as it was typed");
    assert_eq!(button.contact.as_deref(), Some("女儿 13800000000"));
    assert_eq!(button.place, Some([114.123456, 30.654321]));
    assert!(room.hand_written().starts_with(HAND_WRITTEN));
    let again = room.add_button(hers(1)).await.unwrap_err();
    assert!(matches!(&again, DeskRefusal::Wrong(all) if all[0].contains("already")), "{again:?}");
    let late = json!({"on": 0, "by": "x", "id": "late", "name": "n"});
    let late = room.add_button(late).await.unwrap_err();
    assert!(matches!(&late, DeskRefusal::Refused(_)), "{late:?}");
    // The name of a device that another button has is refused by the check of the whole.
    let twin =
        json!({"on": 1, "by": "x", "id": "twin", "name": "n", "device": "厨房/按钮 ${HOME}"});
    let twin = room.add_button(twin).await.unwrap_err();
    assert!(matches!(&twin, DeskRefusal::Wrong(all) if all.len() == 1), "{twin:?}");
    assert_eq!(room.config().buttons.len(), 1);
}

#[tokio::test]
async fn every_mistake_is_told_at_once_and_nothing_is_written() {
    let room = Room::new();
    let long = "长".repeat(TEXT_CHARS_MAX + 1);
    let wrong = json!({"on": 0, "by": "x", "id": "a b", "name": "\u{3000}", "device": "a\nb",
        "address": long, "note": "x".repeat(NOTE_CHARS_MAX + 1)});
    let told = room.add_button(wrong).await.unwrap_err();
    let DeskRefusal::Wrong(all) = &told else { panic!("{told:?}") };
    let of = |key: &str| all.iter().filter(|one| one.starts_with(key)).count();
    assert_eq!(["id", "name", "device", "address", "note"].map(of), [1; 5], "{all:?}");
    let nobody = json!({"on": 0, "by": " ", "id": "a", "name": "n"});
    assert!(matches!(room.add_button(nobody).await, Err(DeskRefusal::Wrong(_))));
    let model = json!({"on": 0, "by": "x", "id": "a", "name": "n", "model": "no-such"});
    let model = room.add_button(model).await.unwrap_err();
    assert!(matches!(&model, DeskRefusal::Wrong(all) if all[0].contains("no-such")), "{model:?}");
    let grid = json!({"on": 0, "by": "x", "id": "a", "name": "n", "place": [30.6, 214.0]});
    assert!(matches!(room.add_button(grid).await, Err(DeskRefusal::Wrong(_))));
    let most = json!({"on": 0, "by": "x", "id": "b".repeat(60), "name": "名".repeat(TEXT_CHARS_MAX),
        "note": "记".repeat(NOTE_CHARS_MAX)});
    room.add_button(most).await.unwrap();
    assert_eq!(room.config().buttons.len(), 1);
}
