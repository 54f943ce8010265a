-- Undo entries can be brought back in any order, and a parent's may come after its child's.

-- ID of the parent that an image had, where a delete took it and it was not brought back when the image was.
ALTER TABLE image ADD COLUMN lost_parent TEXT;
CREATE INDEX image_lost_parent ON image (lost_parent) WHERE lost_parent IS NOT NULL;
